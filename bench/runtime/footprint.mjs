// Memory per idle task, time to start, size of a bundle.

import { fileURLToPath } from "node:url";

const TASKS = 100_000;

/** Bytes of heap, of buffers and of the core's memory that `fill` leaves behind, per task. */
async function bytesOf(fill) {
  const memories = [];
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor) {
      super(descriptor);
      memories.push(this);
    }
  };
  const used = () => {
    gc();
    gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external + memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  };
  const start = await fill(100);                           // what is made once
  const before = used();
  const kept = await fill(TASKS);
  const bytes = (used() - before) / TASKS;
  if (kept === start) throw new Error("nothing was kept");
  return bytes;
}

const fromTokiwa = (make) => async () => ({
  run: () =>
    bytesOf(
      (
        (runtime, spawnOne) => async (count) => {
          if (runtime === undefined) {
            const tokiwa = await import("../lib/tokiwa.mjs");
            runtime = new tokiwa.Runtime();
            spawnOne = make(tokiwa, runtime);
          }
          for (let i = 0; i < count; i++) spawnOne();
          while (runtime.drive().more);
          await new Promise((resolve) => setImmediate(resolve));
          return [runtime];
        }
      )(),
    ),
});

const memory = {
  name: "bytes_per_idle_task",
  unit: "bytes per task, all included (heap, buffers, the core's memory)",
  kind: "value",
  fresh: true,
  turns: 3,
  base: "promise",
  sides: {
    generator: fromTokiwa(({ future, PENDING }, runtime) => {
      const never = future(() => PENDING);
      function* work() {
        yield* never;
      }
      return () => runtime.spawn(work);
    }),
    "generator asleep": fromTokiwa(({ sleep }, runtime) => {
      function* work() {
        yield* sleep(3_600_000);
      }
      return () => runtime.spawn(work);
    }),
    "poll future": fromTokiwa(({ future, PENDING }, runtime) => {
      const never = () => PENDING;
      return () => runtime.spawn(future(never));
    }),
    async: fromTokiwa(({ future, PENDING }, runtime) => {
      const work = async () => {
        await future(() => PENDING);
      };
      return () => runtime.spawn(work);
    }),
    "async asleep": fromTokiwa(({ sleep }, runtime) => {
      const work = async () => {
        await sleep(3_600_000);
      };
      return () => runtime.spawn(work);
    }),
    effect: async () => {
      const { Effect } = await import("effect");
      const kept = [];
      const work = Effect.gen(function* () {
        yield* Effect.never;
      });
      return {
        run: () =>
          bytesOf(async (count) => {
            for (let i = 0; i < count; i++) kept.push(Effect.runFork(work));
            await new Promise((resolve) => setImmediate(resolve));
            return [kept];
          }),
      };
    },
    effection: async () => {
      const { run, suspend } = await import("effection");
      const kept = [];
      return {
        run: () =>
          bytesOf(async (count) => {
            for (let i = 0; i < count / 10; i++) kept.push(run(suspend));
            await new Promise((resolve) => setImmediate(resolve));
            return [kept];
          }).then((bytes) => bytes * 10),                  // a tenth: it is slow to start
      };
    },
    promise: () => {
      const kept = [];
      const work = async () => {
        await new Promise((resolve) => kept.push(resolve));
      };
      return {
        run: () =>
          bytesOf(async (count) => {
            for (let i = 0; i < count; i++) kept.push(work());
            return [kept];
          }),
      };
    },
  },
};

const ms = async (work) => {
  const start = process.cpuUsage();
  const answer = await work();
  if (answer !== 42) throw new Error(`the first task answered ${answer}`);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
};

const startUp = {
  name: "start_up",
  unit: "ms of CPU time from import to the end of the first task",
  kind: "value",
  fresh: true,
  base: "tokiwa",
  sides: {
    tokiwa: () => ({
      run: () =>
        ms(async () => {
          const { run } = await import("../lib/tokiwa.mjs");
          return run(function* () {
            return 42;
          });
        }),
    }),
    effect: () => ({
      run: () =>
        ms(async () => {
          const { Effect } = await import("effect");
          return Effect.runPromise(Effect.succeed(42));
        }),
    }),
    effection: () => ({
      run: () =>
        ms(async () => {
          const { run } = await import("effection");
          return run(function* () {
            return 42;
          });
        }),
    }),
  },
};

const HERE = fileURLToPath(new URL("..", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));   // where "tokiwa" is this package, as its users' bundlers see it

async function bundled(contents, resolveDir = HERE) {
  const { build } = await import("esbuild");
  const { gzipSync } = await import("node:zlib");
  const { outputFiles } = await build({
    stdin: { contents, resolveDir },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    external: ["node:*"],
    write: false,
    logLevel: "error",
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const bundle = {
  name: "bundle_size",
  unit: "bytes, minified and gzipped",
  kind: "value",
  turns: 1,
  base: "tokiwa { run, spawn, sleep }",
  sides: {
    "tokiwa { run, spawn, sleep }": () => ({ run: () => bundled('export { run, spawn, sleep } from "tokiwa";', ROOT) }),
    "tokiwa, all of it": () => ({ run: () => bundled('export * from "tokiwa";', ROOT) }),
    "effect { Effect, Fiber }": () => ({
      run: () =>
        bundled(
          'import { Effect, Fiber } from "effect"; export const run = Effect.runPromise, fork = Effect.forkChild, sleep = Effect.sleep, gen = Effect.gen, join = Fiber.join;',
        ),
    }),
    "effection { run, spawn, sleep }": () => ({ run: () => bundled('export { run, spawn, sleep } from "effection";') }),
  },
};

export default [memory, startUp, bundle];
