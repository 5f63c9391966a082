// Threads in every host: the scenarios of parts C and D, and A5, A6, A8 and A11, one program each.
//
//   threadPrograms(transport, { waitMs, rounds })     transport as in the options; "auto" where the host decides
//
// Node's suite and the pages run the whole list on both transports; the default export is the short run, for every
// host that has worker_threads. Functions are sent by source, so each carries what it needs.
import { mpsc, Runtime, run, sleep, spawn } from "../../dist/index.js";
import { move, send, SharedMutex, sharedChannel, Thread, ThreadPool } from "../../dist/threads.js";
import { equal, same } from "./check.mjs";

const isPage = globalThis.location !== undefined && globalThis.process === undefined;

async function withThread(options, body) {
  const thread = new Thread(options);
  try {
    return await body(thread);
  } finally {
    thread.terminate();
  }
}

async function withPool(options, body) {
  const pool = new ThreadPool(options);
  try {
    return await body(pool);
  } finally {
    await pool.shutdown();
  }
}

async function withWorkers(options, body) {
  const runtime = new Runtime({ flavor: "multi-thread", ...options });
  try {
    return await body(runtime);
  } finally {
    await runtime.shutdown({ timeout: 0 });
  }
}

const outcome = async (handle) => {
  const { status, value, reason } = await handle.result();
  return status === "fulfilled" ? value : `${status} ${reason === null ? "null" : (reason.code ?? reason.message)}`;
};

/** Addresses of seven pages: the harness's own server in a page, one of our own elsewhere. */
async function sevenPages(use) {
  const paths = Array.from({ length: 7 }, (_, n) => `/test/hosts/check.mjs?page=${n}`);
  if (isPage) return use(paths.map((path) => new URL(path, location.href).href));
  const { createServer } = await import("node:http");
  const server = createServer((request, response) => response.end(`the page ${request.url}`));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use(paths.map((path) => `http://127.0.0.1:${server.address().port}${path}`));
  } finally {
    server.close();
    server.closeAllConnections?.();
  }
}

// ---- functions that are sent

async function fib(n) {
  if (n <= 1) return n;
  const thread = new tokiwa.Thread();                      // one for every call, inside of the caller's thread
  try {
    return (await thread.exec(fib, n - 1)) + (await thread.exec(fib, n - 2));
  } finally {
    thread.terminate();
  }
}

/** Iterations of rows from <= y < to of the Julia set, summed up. */
function julia(from, to) {
  let sum = 0;
  for (let y = from; y < to; y++) {
    for (let x = 0; x < 800; x++) {
      let re = y * 0.00375 - 1.5;
      let im = x * 0.00375 - 1.5;
      let n = 0;
      while (n < 900 && re * re + im * im <= 2) {
        const next = re * re - im * im - 0.15;
        im = 2 * re * im + 0.65;
        re = next;
        n++;
      }
      sum += n;
    }
  }
  return sum;
}

/** Keeps the cells in its worker, and counts the workers that have them. */
function keep(cells) {
  if (globalThis.cells === undefined) Atomics.add(cells, 1, 1);
  globalThis.cells = cells;
}

/** Busy until it is told in those cells, or for 15 s. */
function untilTold() {
  const end = performance.now() + 15_000;
  while (Atomics.load(globalThis.cells, 0) === 0 && performance.now() < end);
}

function busy(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return ms;
}

/** @param settings.waitMs what the scenarios call 1000 ms; rounds: how often A11 counts in each thread */
export function threadPrograms(transport, { waitMs = 1000, rounds = 100_000, jobs = 70_000, images = 4 } = {}) {
  return {
    "A5: a timer fires while a thread adds up 50 000 000 numbers": async () => {
      const runtime = new Runtime({ transport });
      let trace = [];
      // The host may hold this thread for as long as the sum takes, and both are there then: not ten times in a row.
      for (let tries = 10; tries > 0 && trace[0] !== "timer fired"; tries--) {
        trace = [];
        await runtime.run(async () => {
          const timer = spawn(async () => {
            await sleep(10);
            trace.push("timer fired");
          });
          const sum = runtime.spawnBlocking((n) => {
            let total = 0;
            for (let i = 0; i < n; i++) total += i;
            return total;
          }, 50_000_000);
          trace.push(`sum = ${await sum}`);
          await timer;
        });
      }
      await runtime.shutdown();
      equal(trace.join("; "), "timer fired; sum = 1249999975000000");
    },

    "A6: 32 tasks on 4 workers report more than one thread": () =>
      withWorkers({ workerThreads: 4, transport }, async (runtime) => {
        const report = send(async () => {
          await tokiwa.sleep(5);
          globalThis.threadOfMine ??= Math.random();
          return globalThis.threadOfMine;
        });
        // One that starts first may do all of them; not for ever.
        const threads = new Set();
        for (let tries = 200; tries > 0 && threads.size < 2; tries--) {
          for (const thread of await Promise.all(Array.from({ length: 32 }, () => runtime.spawn(report)))) threads.add(thread);
        }
        equal(threads.size > 1 && threads.size <= 4, true);
      }),

    "A8: messages between two tasks, and between two threads that are joined": async () => {
      await run(async () => {
        const [tx, rx] = mpsc(4);
        const sender = spawn(function* () {
          for (let n = 1; n <= 9; n++) yield* tx.send(n);
          tx.close();
        });
        const seen = [];
        for await (const n of rx) seen.push(n);
        await sender;
        equal(seen.join(), "1,2,3,4,5,6,7,8,9");
      });
      await withThread({ transport }, async (thread) => {
        const [tx, rx] = sharedChannel(2);
        const speak = thread.exec(async (out) => {
          for (let n = 1; n <= 9; n++) await out.send(`hi number ${n} from the spawned thread!`);
          out.close();
          return "joined";
        }, tx);
        tx.close();
        const lines = [];
        for await (const line of rx) lines.push(line);
        equal(await speak, "joined");
        equal(lines.length, 9);
        equal(lines[8], "hi number 9 from the spawned thread!");
      });
    },

    "A11: 32 tasks on several threads share a list, 4 threads count under one lock": () =>
      withWorkers({ workerThreads: 4, transport }, async (runtime) => {
        const ids = new SharedMutex([]);
        const enter = send(async (mutex, n) => {
          const guard = await mutex.lock();
          guard.value.push(n);
          guard.unlock();
        });
        await Promise.all(Array.from({ length: 32 }, (_, n) => runtime.spawn(enter, ids, n)));
        same((await ids.lock()).value.sort((a, b) => a - b), Array.from({ length: 32 }, (_, n) => n));
        const counter = new SharedMutex(0);
        const count = send(async (mutex, times) => {
          for (let i = 0; i < times; i++) {
            const guard = await mutex.lock();
            guard.value++;
            guard.unlock();
          }
        });
        const countBlocking = send((mutex, times) => {
          for (let i = 0; i < times; i++) {
            const guard = mutex.blockingLock();
            guard.value++;
            guard.unlock();
          }
        });
        const canBlock = !isPage || globalThis.crossOriginIsolated;
        await Promise.all([1, 2, 3, 4].map(() => runtime.spawn(canBlock ? countBlocking : count, counter, rounds)));
        equal((await counter.lock().then((guard) => (guard.unlock(), guard.value))), 4 * rounds);
        await Promise.all([1, 2, 3, 4].map(() => runtime.spawn(count, counter, 100)));
        equal((await counter.lock()).value, 4 * rounds + 400);
      }),

    "C1: exec of closures and of source text, async ones too": () =>
      withThread({ transport }, async (thread) => {
        equal(await thread.exec((a, b) => a + b, 1, 2), 3);
        const minus = thread.exec(async (a, b, ms) => {
          await tokiwa.sleep(ms);
          return a - b;
        }, 1, 2, waitMs);
        equal(await thread.execJs("const add = (x, y) => x + y; return add(1, 2)"), 3);
        const late = thread.execJsAsync("return new Promise((resolve) => setTimeout(() => resolve(1 - 2), ms))", { ms: waitMs });
        equal(await minus, -1);
        equal(await late, -1);
      }),

    "C2: fib(4) with a thread for every call, inside of the thread": () => withThread({ transport }, async (thread) => equal(await thread.exec(fib, 4), 3)),

    "C3: four threads one after the other, and four at once": async () => {
      const answer = () => 42;
      for (let n = 0; n < 4; n++) await withThread({ transport }, async (thread) => equal(await thread.exec(answer), 42));
      const threads = Array.from({ length: 4 }, () => new Thread({ transport }));
      same(await Promise.all(threads.map((thread) => thread.exec(answer))), [42, 42, 42, 42]);
      for (const thread of threads) thread.terminate();
    },

    "C4: the Julia set, whole images at once and one image in four parts": () =>
      withPool({ size: 2, transport }, async (pool) => {
        same(await Promise.all(Array.from({ length: images }, () => pool.exec(julia, 0, 800))), Array.from({ length: images }, () => 44_841_052));
        const parts = await Promise.all([0, 200, 400, 600].map((y) => pool.exec(julia, y, y + 200)));
        equal(parts.reduce((a, b) => a + b), 44_841_052);
      }),

    "C5: a thread from the bytes of a module takes 1 MB there and back, without a copy": async () => {
      const source = "export const size = (bytes) => bytes.byteLength; export function back(bytes) { new Uint8Array(bytes)[7]++; return globalThis[Symbol.for('mine')](bytes); }";
      const module = new TextEncoder().encode(source).buffer;
      await withThread({ transport, module }, async (thread) => {
        equal(module.byteLength > 0, true);                // a copy was taken: the bytes are still the caller's
        await thread.exec(() => void (globalThis[Symbol.for("mine")] = tokiwa.move));
        const bytes = new ArrayBuffer(1 << 20);
        equal(await thread.exec(send("size"), bytes), 1 << 20);
        equal(bytes.byteLength, 1 << 20);
        const there = thread.exec(send("back"), move(bytes));
        equal(bytes.byteLength, 0);
        const again = await there;
        equal(again.byteLength, 1 << 20);
        equal(new Uint8Array(again)[7], 1);
      });
      // (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
      const wasm = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
      await withThread({ transport, module: wasm.buffer }, async (thread) => equal(await thread.exec(send("add"), 1, 2), 3));
    },

    "C6: a pool of 2 runs closures, async closures, callbacks and source text, and nothing is pending at the end": () =>
      withPool({ size: 2, transport }, async (pool) => {
        const called = [];
        const jobs = [
          pool.exec((a, b) => a + b, 1, 2),
          pool.exec(async (a, b, ms) => (await tokiwa.sleep(ms), a - b), 1, 2, waitMs),
          pool.execJs("return a + b", { a: 1, b: 2 }),
          pool.execJsAsync("await new Promise((resolve) => setTimeout(resolve, ms)); return a - b", { a: 1, b: 2, ms: waitMs }),
        ];
        equal(pool.pendingJobs, 4);
        for (const job of jobs) job.then((value) => called.push(value));
        same(await Promise.all(jobs), [3, -1, 3, -1]);
        await sleep(0);
        same(called.sort(), [-1, -1, 3, 3]);
        equal(pool.pendingJobs, 0);
      }),

    "C6: seven pages through a pool of 2, with a callback for each; dropping it half-way cancels the rest": () =>
      sevenPages(async (addresses) => {
        const load = async (address, ms) => {
          await tokiwa.sleep(ms);
          const answer = await fetch(address);
          return (await answer.text()).length > 0;
        };
        const lines = [];
        await withPool({ size: 2, transport }, async (pool) => {
          await Promise.all(addresses.map((address) => pool.exec(load, address, 0).then((ok) => lines.push(`${ok} ${lines.length + 1}/7`))));
          equal(pool.pendingJobs, 0);
        });
        equal(lines.join(), "true 1/7,true 2/7,true 3/7,true 4/7,true 5/7,true 6/7,true 7/7");
        const pool = new ThreadPool({ size: 2, transport });
        const jobs = addresses.map((address, n) => pool.exec(load, address, n < 3 ? 0 : 600_000));
        await Promise.all(jobs.slice(0, 3));
        await pool.shutdown();
        equal(pool.pendingJobs, 0);
        same(await Promise.all(jobs.map(outcome)), [true, true, true, ...Array.from({ length: 4 }, () => "cancelled TOKIWA_CANCELLED")]);
      }),

    "C7: after terminate() new calls reject, pending ones are cancelled, and every call settles": async () => {
      const thread = new Thread({ transport });
      equal(await outcome(thread.exec(() => {
        throw new Error("mine");
      })), "rejected mine");
      equal(await outcome(thread.exec(() => {
        throw null;
      })), "rejected null");
      equal(await outcome(thread.exec(() => () => 1)), "rejected TOKIWA_NOT_CLONEABLE");
      equal((await thread.exec(() => Promise.reject(undefined)).result()).status, "rejected");
      equal((await thread.execJs("return ((").result()).reason instanceof SyntaxError, true);
      equal(await thread.exec(() => "alive"), "alive");
      const pending = thread.exec(() => tokiwa.sleep(600_000));
      equal(thread.isBusy, true);
      thread.terminate();
      thread.terminate();
      equal(thread.isTerminated, true);
      const cancelled = await pending.result();
      equal(cancelled.reason.message.includes("cancelled"), true);
      const late = await thread.exec(() => 1).result();
      equal(late.reason.code, "TOKIWA_TERMINATED");
      equal(late.reason.message.includes("already terminated"), true);
      equal(thread.isBusy, false);
    },

    "D: of eight jobs on 2 workers the seven short ones do not wait for the long one": () =>
      withWorkers({ workerThreads: 2, transport }, async (runtime) => {
        const work = send(busy);
        do await Promise.all([runtime.spawn(work, 20), runtime.spawn(work, 20)]);
        while (!runtime.metrics().workers.every(({ isReady }) => isReady));
        // The long one goes on until it is told that the others have ended. Where it cannot be told it is very long: a busy machine
        // holds one thread for some 100 ms now and then while the other one runs.
        const told = typeof SharedArrayBuffer === "function" ? new Int32Array(new SharedArrayBuffer(8)) : undefined;
        while (told !== undefined && told[1] < 2) await Promise.all([runtime.spawn(send(keep), told), runtime.spawn(send(keep), told)]);
        const ended = [];
        const long = (told === undefined ? runtime.spawn(work, 2000) : runtime.spawn(send(untilTold))).then(() => ended.push("long"));
        await Promise.all(Array.from({ length: 7 }, () => runtime.spawn(work, 1).then(() => ended.push("short"))));
        if (told !== undefined) Atomics.store(told, 0, 1);
        await long;
        equal(ended.join(), "short,short,short,short,short,short,short,long");
      }),

    "D: very many jobs in flight all settle": () =>
      withWorkers({ workerThreads: 2, transport }, async (runtime) => {
        const echo = send((n) => n);
        const values = await Promise.all(Array.from({ length: jobs }, (_, n) => runtime.spawn(echo, n)));
        equal(values.findIndex((value, n) => value !== n), -1);
      }),

    "D: a job that submits 100 jobs and joins them, on every worker at once": () =>
      withWorkers({ workerThreads: 2, transport }, async (runtime) => {
        const parent = send(async () => {
          const twice = tokiwa.send((n) => n * 2);
          const values = await Promise.all(Array.from({ length: 100 }, (_, n) => tokiwa.spawn(twice, n)));
          return values.reduce((a, b) => a + b, 0);
        });
        const blocking = send(async () => {
          const twice = tokiwa.send((n) => n * 2);
          let sum = 0;
          for (const handle of Array.from({ length: 100 }, (_, n) => tokiwa.spawn(twice, n))) sum += await handle;
          return sum;
        });
        same(await Promise.all([parent, parent, blocking, blocking].map((one) => runtime.spawn(one))), [9900, 9900, 9900, 9900]);
      }),
  };
}

/** Both transports where this host can share memory with its workers, else messages only. */
export const transportsHere = () => (!isPage || globalThis.crossOriginIsolated ? ["shared", "messages"] : ["auto", "messages"]);

const short = {};
for (const transport of transportsHere()) {
  const settings = { waitMs: 20, rounds: 500, jobs: 5000, images: 1 };
  for (const [title, program] of Object.entries(threadPrograms(transport, settings))) short[`${title} (${transport})`] = program;
}
export default short;
