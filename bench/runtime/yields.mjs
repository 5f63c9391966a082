// yield_many: tasks that do nothing but yield. What one step through the scheduler costs.
import { ArrayScheduler, LEAF, TypedArrayScheduler } from "./peers.mjs";

const RESOLVED = Promise.resolve();

function yieldMany(name, tasks, yields) {
  const capacity = 2 ** Math.ceil(Math.log2(tasks));
  return {
    name,
    unit: "yield",
    ops: tasks * yields,
    answer: tasks,
    tokio: "52-55",
    turns: tasks > 10_000 ? 5 : undefined,
    base: "promise parked",
    sides: {
      generator: async () => {
        const { Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        let ended = 0;
        function* work() {
          for (let i = 0; i < yields; i++) yield* yieldNow();
          ended++;
        }
        function* main() {
          const handles = [];
          for (let i = 0; i < tasks; i++) handles.push(runtime.spawn(work));
          for (const handle of handles) yield* handle;
        }
        return { run: () => ((ended = 0), runtime.blockOn(main), ended) };
      },
      async: async () => {
        const { Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        let ended = 0;
        const work = async () => {
          for (let i = 0; i < yields; i++) await yieldNow();
          ended++;
        };
        function* main() {
          const handles = [];
          for (let i = 0; i < tasks; i++) handles.push(runtime.spawn(work));
          for (const handle of handles) yield* handle;
        }
        return { run: async () => ((ended = 0), await runtime.run(main), ended) };
      },
      "poll future": async () => {
        const { Runtime, future, PENDING } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        let ended = 0;
        function counter() {
          let left = yields;
          return future((waker) => {
            if (left-- === 0) return void ended++;
            waker.wake();
            return PENDING;
          });
        }
        function* main() {
          const handles = [];
          for (let i = 0; i < tasks; i++) handles.push(runtime.spawn(counter()));
          for (const handle of handles) yield* handle;
        }
        return { run: () => ((ended = 0), runtime.blockOn(main), ended) };
      },
      "bare yield*": () => {
        // No scheduler at all: generators in an array, stepped in turn. Every one has a leaf of its own.
        let ended = 0;
        function* work() {
          const leaf = { ...LEAF };
          for (let i = 0; i < yields; i++) yield* leaf;
          ended++;
        }
        return {
          run() {
            ended = 0;
            const all = Array.from({ length: tasks }, work);
            for (let round = 0; round <= yields; round++) for (const one of all) one.next();
            return ended;
          },
        };
      },
      "typed arrays": () => {
        const scheduler = new TypedArrayScheduler(capacity);
        let ended = 0;
        function* work() {
          for (let i = 0; i < yields; i++) yield;
          ended++;
        }
        return {
          run() {
            ended = 0;
            for (let i = 0; i < tasks; i++) scheduler.spawn(work);
            scheduler.run();
            return ended;
          },
        };
      },
      arrays: () => {
        const scheduler = new ArrayScheduler();
        let ended = 0;
        function* work() {
          for (let i = 0; i < yields; i++) yield;
          ended++;
        }
        return {
          run() {
            ended = 0;
            for (let i = 0; i < tasks; i++) scheduler.spawn(work);
            scheduler.run();
            return ended;
          },
        };
      },
      effect: async () => {
        const { Effect, Fiber } = await import("effect");
        let ended = 0;
        const work = Effect.gen(function* () {
          for (let i = 0; i < yields; i++) yield* Effect.yieldNow;
          ended++;
        });
        const main = Effect.gen(function* () {
          const fibers = [];
          for (let i = 0; i < tasks; i++) fibers.push(yield* Effect.forkChild(work));
          for (const fiber of fibers) yield* Fiber.join(fiber);
        });
        return { run: async () => ((ended = 0), await Effect.runPromise(main), ended) };
      },
      "promise await": () => {
        // Bare async functions on the microtask queue: the host never gets a turn.
        let ended = 0;
        async function work() {
          for (let i = 0; i < yields; i++) await RESOLVED;
          ended++;
        }
        return { run: async () => ((ended = 0), await Promise.all(Array.from({ length: tasks }, work)), ended) };
      },
      "promise parked": () => {
        // Bare async functions, each parked on a promise of its own that a pump resolves: what a scheduler of
        // async functions cannot get below.
        let ended = 0;
        let parked = [];
        async function work() {
          for (let i = 0; i < yields; i++) await new Promise((resolve) => parked.push(resolve));
          ended++;
        }
        return {
          async run() {
            ended = 0;
            for (let i = 0; i < tasks; i++) void work();
            while (parked.length > 0) {
              const batch = parked;
              parked = [];
              for (const resolve of batch) resolve();
              await RESOLVED;
              await RESOLVED;
            }
            return ended;
          },
        };
      },
    },
  };
}

export default [yieldMany("yield_many_1000", 1000, 200), yieldMany("yield_many_50000", 50_000, 20)];
