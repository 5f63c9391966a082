// A page of a consumer, as each bundler builds it: threads with a worker of its own, and without one.
import { Runtime, run, sleep, spawn } from "tokiwa";
import { move, send, SharedMutex, sharedChannel, Thread, ThreadPool } from "tokiwa/threads";

const worker = () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" });

const outcome = async (handle) => {
  const { status, value, reason } = await handle.result();
  return status === "fulfilled" ? value : `${reason.code}: ${reason.message}`;
};

/** Shown by a test that waits in vain. */
const step = (name) => {
  document.body.dataset.step = name;
};

/** Functions that the bundled worker has exposed. */
async function byName() {
  const found = {};
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, worker });
  step("add");
  found.add = await outcome(runtime.spawn(send("add"), 1, 2));
  step("fib");
  found.fib = await outcome(runtime.spawn(send("fib"), 12));
  step("many");
  found.many = (await Promise.all(Array.from({ length: 100 }, (_, n) => runtime.spawn(send("add"), n, 1)))).reduce((a, b) => a + b, 0);
  step("moved");
  const bytes = new Uint8Array(1 << 20);
  found.moved = [await runtime.spawn(send("size"), move(bytes)), bytes.length];
  step("failed");
  found.failed = (await runtime.spawn(send("fail")).result()).reason.code;
  step("missing");
  found.missing = await outcome(runtime.spawn(send("none")));
  step("lock");
  const lock = new SharedMutex(0);
  await Promise.all([1, 2, 3].map(() => runtime.spawn(send("count"), lock, 50)));
  found.counted = (await lock.lock()).value;
  step("channel");
  const [tx, rx] = sharedChannel(4);
  const speaking = runtime.spawn(send("speak"), tx, 5);
  tx.close();
  const heard = [];
  for await (const n of rx) heard.push(n);
  await speaking;
  found.heard = heard.join();
  step("shutdown");
  await runtime.shutdown();
  return found;
}

/** Functions sent by source, in a worker that the package starts by itself. */
async function bySource() {
  step("pool");
  const pool = new ThreadPool({ size: 2 });
  const found = { sum: await outcome(pool.exec((a, b) => a + b, 1, 2)) };
  await pool.shutdown();
  step("thread");
  const thread = new Thread();
  found.slept = await outcome(thread.exec(async (n) => (await tokiwa.sleep(5), n), 7));
  thread.terminate();
  step("blocking");
  const runtime = new Runtime();
  found.blocking = await outcome(runtime.spawnBlocking((n) => n * 2, 21));
  await runtime.shutdown();
  return found;
}

async function main() {
  const handle = spawn(async () => (await sleep(1), "task"));
  const report = { isolated: globalThis.crossOriginIsolated, task: await handle };
  report.byName = await byName();
  report.bySource = await bySource();
  report.ran = await run(async () => "done");
  return report;
}

main().then(
  (value) => ({ value }),
  (error) => ({ error: String(error?.stack ?? error) }),
).then((report) => {
  document.body.dataset.report = JSON.stringify(report);
});
