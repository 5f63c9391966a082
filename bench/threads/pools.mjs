// The pools that are compared, alike: start(threads) gives { exec(name, args, transfer), close() }. Not a case.
//
// Each is used as its manual says: a module with functions, found by name. The numbers and the answers are the same.
import { Worker } from "node:worker_threads";
import { evaluateIn } from "../lib/host.mjs";

const at = (path) => new URL(path, import.meta.url);
const WORK = at("./workers/tokiwa.mjs");

async function tokiwa(transport, threads) {
  const { Runtime } = await import("../../dist/index.js");
  const { move, send } = await import("../../dist/threads.js");
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: threads, transport });
  const sent = new Map();
  return {
    exec(name, args, transfer) {
      let fn = sent.get(name);
      if (fn === undefined) sent.set(name, (fn = send(WORK, name)));
      if (transfer) move(args[0]);
      return runtime.spawn(fn, ...args);
    },
    close: () => runtime.shutdown({ timeout: 0 }),
  };
}

/** Workers of one's own, each job to the next of them. */
function roundRobin(threads, workerOf) {
  const workers = Array.from({ length: threads }, workerOf);
  let turn = 0;
  return { workers, next: () => workers[turn++ % threads] };
}

export const pools = {
  "tokiwa shared": (threads) => tokiwa("shared", threads),
  "tokiwa messages": (threads) => tokiwa("messages", threads),

  piscina: async (threads) => {
    const { Piscina } = await import("piscina");
    const pool = new Piscina({ filename: at("./workers/piscina.mjs").href, minThreads: threads, maxThreads: threads, idleTimeout: 60_000 });
    return { exec: (name, args, transfer) => pool.run(args, { name, ...(transfer ? { transferList: [args[0].buffer] } : {}) }), close: () => pool.destroy() };
  },

  tinypool: async (threads) => {
    const { Tinypool } = await import("tinypool");
    const pool = new Tinypool({ filename: at("./workers/piscina.mjs").href, minThreads: threads, maxThreads: threads, idleTimeout: 60_000, runtime: "worker_threads" });
    return { exec: (name, args, transfer) => pool.run(args, { name, ...(transfer ? { transferList: [args[0].buffer] } : {}) }), close: () => pool.destroy() };
  },

  workerpool: async (threads) => {
    const { default: workerpool } = await import("workerpool");
    const pool = workerpool.pool(at("./workers/workerpool.mjs").pathname, { minWorkers: threads, maxWorkers: threads, workerType: "thread" });
    return { exec: (name, args, transfer) => pool.exec(name, [args], transfer ? { transfer: [args[0].buffer] } : undefined), close: () => pool.terminate(true) };
  },

  poolifier: async (threads) => {
    const { FixedThreadPool } = await import("poolifier");
    const pool = new FixedThreadPool(threads, at("./workers/poolifier.mjs").pathname, { errorHandler: (error) => { throw error; } });
    return { exec: (name, args, transfer) => pool.execute(args, name, transfer ? [args[0].buffer] : undefined), close: () => pool.destroy() };
  },

  comlink: async (threads) => {
    const { transfer: moved, wrap } = await import("comlink/dist/esm/comlink.mjs");
    const { default: nodeEndpoint } = await import("comlink/dist/esm/node-adapter.mjs");
    const { workers, next } = roundRobin(threads, () => {
      const worker = new Worker(at("./workers/comlink.mjs"));
      return { worker, remote: wrap(nodeEndpoint(worker)) };
    });
    return {
      exec: (name, args, transfer) => next().remote[name](transfer ? moved(args, [args[0].buffer]) : args),
      close: () => Promise.all(workers.map(({ worker }) => worker.terminate())),
    };
  },

  multithreading: async (threads) => {
    const { initRuntime, move, shutdown, spawn } = await import("multithreading");
    initRuntime({ maxWorkers: threads });
    const functions = {
      noop: (n) => n,
      busy: (ms) => { const end = performance.now() + ms; while (performance.now() < end); return ms; },
      touch: (bytes) => { bytes[0]++; return bytes; },
    };
    return {
      exec: async (name, args) => {
        const result = await spawn(move(...args), functions[name]).join();
        if (!result.ok) throw result.error;
        return result.value;
      },
      close: () => shutdown(),
    };
  },

  "raw postMessage": async (threads) => {
    const waiting = new Map();
    let last = 0;
    const { workers, next } = roundRobin(threads, () => {
      const worker = new Worker(at("./workers/raw.mjs"));
      worker.on("message", ([id, value]) => {
        const resolve = waiting.get(id);
        waiting.delete(id);
        resolve(value);
      });
      return worker;
    });
    return {
      exec: (name, args, transfer) =>
        new Promise((resolve) => {
          waiting.set(++last, resolve);
          next().postMessage([last, name, args], transfer ? [args[0].buffer] : undefined);
        }),
      close: () => Promise.all(workers.map((worker) => worker.terminate())),
    };
  },
};

/** For `skip` of a case. */
export const needsNode22 = {
  multithreading: ({ node }) => (Number.parseInt(evaluateIn(node, "process.versions.node"), 10) >= 22 ? undefined : "it needs Promise.withResolvers, which Node 22 has"),
};
