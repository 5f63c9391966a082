// 50 000 sleeping tasks, and how many timers the host has for them.
import { fromPromise, run, Runtime, sleep, spawn, yieldNow } from "tokiwa";

const TASKS = 50_000;

export default {
  title: `${TASKS.toLocaleString("en")} tasks asleep, one timer of the host`,
  async run(print) {
    const before = await countTimers();
    await run(function* () {
      let awake = 0;
      function* doze(ms) {
        yield* sleep(ms);
        awake++;
      }
      const handles = [];
      for (let n = 0; n < TASKS; n++) handles.push(spawn(doze, 1500 + (n % 100)));
      while (Runtime.current.metrics().timers < TASKS && awake === 0) yield* yieldNow();
      const armed = (yield* fromPromise(countTimers())) - before;
      // Others' timers may have ended meanwhile, so it can look like fewer.
      print(`asleep: ${Runtime.current.metrics().timers}, more timers of the host: ${armed <= 1 ? "at most 1" : armed}`);
      for (const handle of handles) yield* handle;
      print(`awake: ${awake}`);
    });
  },
  check(lines) {
    const expected = [`asleep: ${TASKS}, more timers of the host: at most 1`, `awake: ${TASKS}`];
    return lines.join("\n") === expected.join("\n") ? undefined : `printed ${JSON.stringify(lines)}`;
  },
};

/** Timers of the host that are armed when everything that is ready has run. */
async function countTimers() {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}
