// Scenarios C and D of threads, in a page. `bySource` is false where the policy forbids functions by source.
import { Runtime, sleep, spawnBlocking } from "/dist/index.js";
import { move, send, Thread, ThreadPool } from "/dist/threads.js";

const at = (name) => send(new URL("./threads-module.js", import.meta.url), name);

async function withoutSource() {
  const thread = new Thread();
  const found = { add: await thread.exec(at("add"), 1, 2), blocked: (await thread.exec(() => 1).result()).reason?.code };
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2 });
  found.many = (await Promise.all(Array.from({ length: 100 }, (_, n) => runtime.spawn(at("add"), n, 1)))).reduce((a, b) => a + b, 0);
  const own = new Thread({ worker: () => new Worker(new URL("./threads-worker.js", import.meta.url), { type: "module" }) });
  found.exposed = await own.exec(send("triple"), 14);
  thread.terminate();
  own.terminate();
  await runtime.shutdown();
  return found;
}

async function fib(n) {
  if (n <= 1) return n;
  const a = new tokiwa.Thread();
  const b = new tokiwa.Thread();
  const [x, y] = await Promise.all([a.exec(fib, n - 1), b.exec(fib, n - 2)]);
  a.terminate();
  b.terminate();
  return x + y;
}

async function withSource(transport) {
  const found = {};
  const thread = new Thread({ transport });
  found.exec = await thread.exec((a, b) => a + b, 1, 2);
  found.async = await thread.exec(async (a, b) => (await tokiwa.sleep(10), a - b), 1, 2);
  found.js = await thread.execJs("const add = (x, y) => x + y; return add(1, 2)");
  found.jsAsync = await thread.execJsAsync("return new Promise((resolve) => setTimeout(() => resolve(-1), 10))");
  found.fib = await thread.exec(fib, 4);
  const bytes = new Uint8Array(1 << 20);
  found.moved = [(await thread.exec((b) => tokiwa.move(b), move(bytes))).length, bytes.length];
  found.closed = (await thread.exec(async () => (self.close(), new Promise(() => {}))).result()).reason.code;
  found.again = await thread.exec(() => "alive");
  thread.terminate();
  found.terminated = (await thread.exec(() => 1).result()).reason.code;

  const pool = new ThreadPool({ size: 2, transport });
  found.pool = await Promise.all([pool.exec(() => 1), pool.exec(async () => (await tokiwa.sleep(10), 2)), pool.execJs("return 3"), pool.execJsAsync("return 4")]);
  found.pending = pool.pendingJobs;
  await pool.shutdown();

  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, transport });
  const busy = send((ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  });
  await Promise.all([runtime.spawn(busy, 30), runtime.spawn(busy, 30)]);
  while (!runtime.metrics().workers.every(({ isReady }) => isReady)) await sleep(5);
  for (let tries = 10; tries > 0 && !found.uneven; tries--) {              // the host may hold a thread for as long as that
    const start = performance.now();
    const ends = await Promise.all([400, 1, 1, 1, 1, 1, 1, 1].map((ms) => runtime.spawn(busy, ms).then(() => performance.now() - start)));
    found.uneven = Math.max(...ends.slice(1)) < 300;
  }
  found.nested = await runtime.spawn(
    send(async () => {
      const child = tokiwa.send((n) => n * 2);
      return (await Promise.all(Array.from({ length: 100 }, (_, n) => tokiwa.spawn(child, n)))).length;
    }),
  );
  await runtime.shutdown();
  found.blocking = await spawnBlocking((n) => n * 2, 21);
  return found;
}

export default ({ bySource, transport }) => (bySource ? withSource(transport) : withoutSource());
