// Graceful shutdown: stop taking work, let what runs finish, and give up on what does not in time.
// Run it with `node examples/graceful-shutdown.mjs`, after `npm run build`; Ctrl-C ends it, too.
//
// A CancellationToken says that it is time to stop, to tasks and, as a signal, to the host's own functions. A
// TaskTracker knows when the last task has ended. Neither interrupts anybody in the middle of a step.

import { setTimeout as hostTimer } from "node:timers/promises";
import { CancellationToken, interval, run, select, sleep, TaskTracker, timeout } from "tokiwa";

const GRACE_MS = 300;
const stop = new CancellationToken();
process.once("SIGINT", () => stop.cancel("SIGINT"));
process.once("SIGTERM", () => stop.cancel("SIGTERM"));

let served = 0;

/** A request: it has begun, so it is finished, whatever happens. */
async function serve(id) {
  await sleep(20 + (id % 5) * 10);
  served++;
}

/** Takes requests until it is told to stop. */
async function accept(tracker) {
  const arrivals = interval(5);
  for (let id = 0; (await stop.runUntilCancelled(arrivals.tick())) !== undefined; id++) tracker.spawn(serve, id);
}

/** Something of the host's that understands signals. */
async function heartbeat() {
  try {
    for (;;) await hostTimer(10, undefined, { signal: stop.signal });
  } catch (error) {
    if (!stop.isCancelled) throw error;
  }
}

/** A step that hangs, and takes no notice. */
async function stuck() {
  await sleep(Infinity);
}

await run(async () => {
  const tracker = new TaskTracker();
  tracker.spawn(accept, tracker);
  tracker.spawn(heartbeat);
  const hanging = tracker.spawn(stuck);

  const { name } = await select({ told: stop.cancelled(), demonstrated: sleep(200) });
  if (name === "demonstrated") stop.cancel("the demonstration is over");

  console.log(`stopping (${stop.signal.reason}): ${served} served, ${tracker.size} tasks alive`);
  tracker.close();
  try {
    await timeout(GRACE_MS, tracker.wait());
  } catch {
    console.log(`${tracker.size} task did not end in ${GRACE_MS} ms, aborting it`);
    hanging.abort();
    await tracker.wait();
  }
  console.log(`all ended, ${served} served`);
});
