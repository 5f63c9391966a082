// On one thread a busy wait holds everybody up, a sleep nobody.
import { Instant, join, run, sleep, spawn } from "tokiwa";

let running = 0;
let mostAtOnce = 0;

function* busy(ms) {
  const start = Instant.now();
  while (start.elapsed() < ms);
}

function* asleep(ms) {
  mostAtOnce = Math.max(mostAtOnce, ++running);
  yield* sleep(ms);
  running--;
}

function* both(task) {
  const start = Instant.now();
  yield* join(spawn(task, 100), spawn(task, 100));
  return start.elapsed();
}

export default {
  title: "two busy waits of 100 ms against two sleeps of 100 ms, on one thread",
  async run(print) {
    const blocked = await run(() => both(busy));
    print(`two busy waits took ${Math.round(blocked)}ms`);
    const slept = await run(() => both(asleep));
    print(`two sleeps took ${Math.round(slept)}ms`);
    return { blocked, slept };
  },
  check(_lines, { blocked, slept }) {
    if (blocked < 200) return `two busy waits took ${blocked} ms instead of 200: they cannot overlap`;
    if (mostAtOnce !== 2) return "the two sleeps did not overlap";
    if (slept < 100 || slept > 2000) return `two sleeps took ${slept} ms instead of about 100`;
    return undefined;
  },
};
