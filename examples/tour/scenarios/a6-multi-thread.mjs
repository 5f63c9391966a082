// 32 tasks on 4 workers: each sleeps 5 ms and says which thread it ran on.
import { run, spawn } from "tokiwa";
import { send } from "tokiwa/threads";

const report = send(async () => {
  await tokiwa.sleep(5);                                   // a function sent by source finds the package as `tokiwa`
  const { threadId } = await import("node:worker_threads");
  return threadId;
});

export default {
  title: "32 tasks on a multi-thread runtime of 4 workers",
  async run(print) {
    return run(
      async () => {
        const threads = new Set();
        for (let tries = 50; tries > 0 && threads.size < 2; tries--) {      // the first to start may do all of them
          const handles = Array.from({ length: 32 }, () => spawn(report));
          for (const handle of handles) threads.add(await handle);
        }
        print(`32 tasks ran on ${threads.size} threads`);
        return threads.size;
      },
      { flavor: "multi-thread", workerThreads: 4 },
    );
  },
  check: (_lines, threads) => (threads > 1 && threads <= 4 ? undefined : `ran on ${threads} threads`),
};
