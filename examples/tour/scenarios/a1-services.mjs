// Three services at once: the whole takes as long as the slowest.
import { Instant, run, sleep, spawn } from "tokiwa";

let running = 0;
let mostAtOnce = 0;

async function service(name, ms) {
  mostAtOnce = Math.max(mostAtOnce, ++running);
  await sleep(ms);
  running--;
  return `${name} answered after ${ms}ms`;
}

export default {
  title: "three services of 120, 90 and 150 ms, at once",
  async run(print) {
    return run(async () => {
      const start = Instant.now();
      const handles = [spawn(service, "users", 120), spawn(service, "orders", 90), spawn(service, "prices", 150)];
      for (const handle of handles) print(await handle);
      const ms = start.elapsed();
      print(`all done in ~${Math.round(ms / 10) * 10}ms`);
      return ms;
    });
  },
  check(lines, ms) {
    const expected = ["users answered after 120ms", "orders answered after 90ms", "prices answered after 150ms"];
    if (lines.slice(0, 3).join("\n") !== expected.join("\n")) return `printed ${JSON.stringify(lines)}`;
    if (mostAtOnce !== 3) return `${mostAtOnce} services ran at once instead of 3`;
    if (ms < 150 || ms > 2000) return `took ${ms} ms: the slowest needs 150`;
    return undefined;
  },
};
