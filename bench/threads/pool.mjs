// Pools of two threads: throughput and latency of jobs that do nothing, uneven load, 1 MB there and back, a Julia set in
// strips, the first result of a cold pool, and what idle workers cost.
import { Worker } from "node:worker_threads";
import { julia } from "./work.mjs";
import { needsNode22, pools } from "./pools.mjs";

const THREADS = 2;
const THROUGHPUT = 5000;
const LATENCY = 50;
const TRANSFERS = 20;
const WARM_UP = 2000;
const BURSTS = 20;
const SUM = 44_841_052;
const ROWS = 20;

/** Jobs one after the other until everything on their way is compiled: the first few hundred cost some pools three times as much. */
const warmUp = async (pool, name, args, transfer) => {
  for (let i = 0; i < WARM_UP; i++) await pool.exec(name, args(i), transfer);
};

/** One burst. */
const burst = (pool) => Promise.all(Array.from({ length: THROUGHPUT }, (_, n) => pool.exec("noop", [n])));

/** As warmUp(), for bursts: starting the workers alone takes most of the CPU time that the runner spends before the first turn. */
const warmUpBursts = async (pool) => {
  for (let i = 0; i < BURSTS; i++) await burst(pool);
};

/** A side for each of these pools: `make(pool)` gives what run() does, once `prepare(pool)` has come back. */
function sidesOf(names, make, threads = THREADS, prepare = undefined) {
  const sides = {};
  for (const name of names) {
    sides[name] = async () => {
      const pool = await pools[name](threads);
      await Promise.all(Array.from({ length: 2 * threads }, () => pool.exec("noop", [0])));
      await prepare?.(pool);
      return { run: make(pool) };
    };
  }
  return sides;
}

const all = Object.keys(pools);
const withModule = all.filter((name) => name !== "multithreading");

/** A word that another thread changes and is waited for: what any latency is made of. */
async function atomicsLatency() {
  const memory = new SharedArrayBuffer(8);
  const words = new Int32Array(memory);
  new Worker(new URL("./workers/atomics.mjs", import.meta.url), { workerData: memory });
  let seen = 0;
  return {
    run: async () => {
      for (let i = 0; i < LATENCY; i++) {
        Atomics.store(words, 0, seen + 1);
        Atomics.notify(words, 0);
        const { async, value } = Atomics.waitAsync(words, 1, seen);
        if (async) await value;
        seen++;
      }
      return LATENCY;
    },
  };
}

const uneven = sidesOf(withModule, (pool) => async () => {
  await Promise.all([pool.exec("busy", [5]), pool.exec("busy", [5])]);
  const start = performance.now();
  const ends = [];
  await Promise.all([400, 1, 1, 1, 1, 1, 1, 1].map((ms) => pool.exec("busy", [ms]).then(() => ms === 1 && ends.push(performance.now() - start))));
  return Math.max(...ends);
});

/** Milliseconds of CPU time in a second in which nobody asks for anything. */
const idle = sidesOf(["tokiwa shared", "tokiwa messages", "piscina", "tinypool", "workerpool", "poolifier", "raw postMessage"], () => async () => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
});

/** Ticks of an interval of 10 ms in a worker that waits for work, in half a second. */
const ticks = sidesOf(
  ["tokiwa shared", "tokiwa messages", "piscina", "tinypool", "workerpool", "raw postMessage"],
  (pool) => async () => {
    await pool.exec("startInterval", []);
    await new Promise((resolve) => setTimeout(resolve, 500));
    return pool.exec("readInterval", []);
  },
  1,
);

const cold = {};
for (const name of all) {
  cold[name] = () => ({
    run: async () => {
      const pool = await pools[name](THREADS);
      const value = await pool.exec("noop", [42]);
      await pool.close();
      return value;
    },
  });
}

export default [
  {
    name: "pool_noop_throughput",
    unit: "job",
    ops: THROUGHPUT,
    answer: (THROUGHPUT * (THROUGHPUT - 1)) / 2,
    clock: "wall",
    base: "raw postMessage",
    skip: needsNode22,
    sides: sidesOf(all, (pool) => async () => {
      const values = await burst(pool);
      return values.reduce((a, b) => a + b, 0);
    }, THREADS, warmUpBursts),
  },
  {
    name: "pool_noop_latency",
    unit: "job, one at a time",
    ops: LATENCY,
    answer: LATENCY,
    clock: "wall",
    base: "piscina",
    skip: needsNode22,
    sides: {
      ...sidesOf(all, (pool) => async () => {
        for (let i = 0; i < LATENCY; i++) await pool.exec("noop", [i]);
        return LATENCY;
      }, THREADS, (pool) => warmUp(pool, "noop", (i) => [i])),
      "raw Atomics": atomicsLatency,
    },
  },
  { name: "pool_uneven", unit: "ms until the last of seven jobs of 1 ms is done, beside one of 400 ms", kind: "value", turns: 7, base: "piscina", sides: uneven },
  {
    name: "pool_transfer_1MB",
    unit: "MB there and back, by transfer",
    ops: TRANSFERS,
    answer: TRANSFERS,
    clock: "wall",
    base: "raw postMessage",
    sides: sidesOf(withModule.filter((name) => name !== "poolifier" && name !== "tinypool"), (pool) => async () => {
      let bytes = new Uint8Array(1 << 20);
      for (let i = 0; i < TRANSFERS; i++) bytes = await pool.exec("touch", [bytes], true);
      return bytes[0];
    }, THREADS, (pool) => warmUp(pool, "touch", () => [new Uint8Array(8)], true)),
  },
  {
    name: "pool_julia_strips",
    unit: "image",
    ops: 1,
    answer: SUM,
    clock: "wall",
    turns: 7,
    base: "serial",
    sides: {
      ...sidesOf(["tokiwa shared", "tokiwa messages", "piscina", "tinypool", "workerpool", "raw postMessage"], (pool) => async () => {
        const strips = await Promise.all(Array.from({ length: 800 / ROWS }, (_, n) => pool.exec("julia", [n * ROWS, (n + 1) * ROWS])));
        return strips.reduce((a, b) => a + b, 0);
      }),
      serial: () => ({ run: () => julia(0, 800) }),
    },
  },
  { name: "pool_cold_first_result", unit: "first result, import and start included", ops: 1, answer: 42, clock: "wall", fresh: true, turns: 7, base: "raw postMessage", skip: needsNode22, sides: cold },
  { name: "pool_idle_cpu", unit: "ms of CPU time in an idle second", kind: "value", turns: 3, base: "raw postMessage", sides: idle },
  { name: "pool_interval_ticks", unit: "ticks of an interval of 10 ms in an idle worker, in 500 ms", kind: "value", fresh: true, turns: 3, base: "raw postMessage", sides: ticks },
];
