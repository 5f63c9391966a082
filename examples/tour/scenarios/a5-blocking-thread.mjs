// Work for the processor goes to a thread; the event loop stays free meanwhile.
import { run, sleep, spawn, spawnBlocking } from "tokiwa";
import "tokiwa/threads";

function heavySum(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += i;
  return sum;
}

export default {
  title: "a sum of 50 000 000 numbers on a thread, beside a timer of 10 ms",
  async run(print) {
    return run(async () => {
      const trace = [];
      const timer = spawn(async () => {
        await sleep(10);
        trace.push("timer");
      });
      const job = spawnBlocking(heavySum, 50_000_000);
      const sum = await job;
      trace.push("sum");
      await timer;
      print(`timer fired; sum = ${sum}`);
      return trace;
    });
  },
  check(lines, trace) {
    if (lines.join() !== "timer fired; sum = 1249999975000000") return `printed ${lines.join()}`;
    return trace.join() === "timer,sum" ? undefined : "the timer waited for the sum";
  },
};
