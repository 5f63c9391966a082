// Four threads: started and asked one after the other, then all at once.
import { Instant, join } from "tokiwa";
import { Thread } from "tokiwa/threads";

const THREADS = 4;

async function answer() {
  await tokiwa.sleep(50);
  return 42;
}

export default {
  title: "four threads, one after the other and all at once",
  async run(print) {
    let start = Instant.now();
    const values = [];
    for (let n = 0; n < THREADS; n++) {
      const thread = new Thread();
      values.push(await thread.exec(answer));
      thread.terminate();
    }
    const serialMs = start.elapsed();
    start = Instant.now();
    const threads = Array.from({ length: THREADS }, () => new Thread());
    values.push(...(await join(...threads.map((thread) => thread.exec(answer)))));
    for (const thread of threads) thread.terminate();
    print(`serially ${Math.round(serialMs)} ms, at once ${Math.round(start.elapsed())} ms; each answered ${[...new Set(values)].join()}`);
    return values;
  },
  check: (_lines, values) => (values.length === 2 * THREADS && values.every((value) => value === 42) ? undefined : `answers ${values.join()}`),
};
