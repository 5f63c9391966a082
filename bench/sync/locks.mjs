// Locks on one thread: alone, and fought over. What is guarded is a counter.
import { PromiseMutex } from "./peers.mjs";

const ROUNDS = 10_000;
const TASKS = 10;
const EACH = ROUNDS / TASKS;
/** A turn for the others, in async functions. */
const RESOLVED = Promise.resolve();

async function ours() {
  const { Mutex, Runtime } = await import("../lib/tokiwa.mjs");
  return { runtime: new Runtime(), mutex: new Mutex(0) };
}

/** One task takes and gives back, over and over. */
function mutexAlone() {
  return {
    name: "mutex_uncontended",
    unit: "lock and unlock",
    ops: ROUNDS,
    answer: ROUNDS,
    tokio: "42-48",
    base: "promises",
    sides: {
      generator: async () => {
        const { runtime, mutex } = await ours();
        function* main() {
          for (let i = 0; i < ROUNDS; i++) {
            const guard = yield* mutex.lock();
            guard.value++;
            guard.unlock();
          }
          return take(mutex);
        }
        return { run: () => runtime.blockOn(main) };
      },
      async: async () => {
        const { runtime, mutex } = await ours();
        const main = async () => {
          for (let i = 0; i < ROUNDS; i++) {
            const guard = await mutex.lock();
            guard.value++;
            guard.unlock();
          }
          return take(mutex);
        };
        return { run: () => runtime.run(main) };
      },
      "async, tryLock first": async () => {
        const { runtime, mutex } = await ours();
        const main = async () => {
          for (let i = 0; i < ROUNDS; i++) {
            const guard = mutex.isLocked ? await mutex.lock() : mutex.tryLock();
            guard.value++;
            guard.unlock();
          }
          return take(mutex);
        };
        return { run: () => runtime.run(main) };
      },
      withLock: async () => {
        const { runtime, mutex } = await ours();
        const increment = (guard) => guard.value++;
        function* main() {
          for (let i = 0; i < ROUNDS; i++) yield* mutex.withLock(increment);
          return take(mutex);
        }
        return { run: () => runtime.blockOn(main) };
      },
      effect: effectRounds,
      "async-mutex": async () => {
        const { Mutex } = await import("async-mutex");
        const mutex = new Mutex();
        return {
          async run() {
            let count = 0;
            for (let i = 0; i < ROUNDS; i++) {
              const release = await mutex.acquire();
              count++;
              release();
            }
            return count;
          },
        };
      },
      "async-sema": semaRounds,
      "p-limit": limitRounds,
      "p-queue": queueRounds,
      promises: promiseRounds,
    },
  };
}

/** The counter of a mutex, set back for the next run. */
function take(mutex) {
  const guard = mutex.tryLock();
  const { value } = guard;
  guard.value = 0;
  guard.unlock();
  return value;
}

async function effectRounds() {
  const { Effect, Semaphore } = await import("effect");
  const semaphore = Semaphore.makeUnsafe(1);
  const main = Effect.gen(function* () {
    let count = 0;
    for (let i = 0; i < ROUNDS; i++) {
      yield* Semaphore.take(semaphore, 1);
      count++;
      yield* Semaphore.release(semaphore, 1);
    }
    return count;
  });
  return { run: () => Effect.runPromise(main) };
}

async function semaRounds() {
  const { Sema } = await import("async-sema");
  const sema = new Sema(1);
  return {
    async run() {
      let count = 0;
      for (let i = 0; i < ROUNDS; i++) {
        await sema.acquire();
        count++;
        sema.release();
      }
      return count;
    },
  };
}

async function limitRounds() {
  const { default: pLimit } = await import("p-limit");
  const limit = pLimit(1);
  return {
    async run() {
      let count = 0;
      const increment = () => count++;
      for (let i = 0; i < ROUNDS; i++) await limit(increment);
      return count;
    },
  };
}

async function queueRounds() {
  const { default: PQueue } = await import("p-queue");
  const queue = new PQueue({ concurrency: 1 });
  return {
    async run() {
      let count = 0;
      const increment = () => count++;
      for (let i = 0; i < ROUNDS; i++) await queue.add(increment);
      return count;
    },
  };
}

async function promiseRounds() {
  const mutex = new PromiseMutex();
  return {
    async run() {
      let count = 0;
      for (let i = 0; i < ROUNDS; i++) {
        await mutex.lock();
        count++;
        mutex.unlock();
      }
      return count;
    },
  };
}

const semaphoreAlone = {
  name: "semaphore_uncontended",
  unit: "acquire and release",
  ops: ROUNDS,
  answer: ROUNDS,
  tokio: "39-46",
  base: "promises",
  sides: {
    generator: async () => {
      const { Runtime, Semaphore } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      const semaphore = new Semaphore(1);
      function* main() {
        let count = 0;
        for (let i = 0; i < ROUNDS; i++) {
          const permit = yield* semaphore.acquire();
          count++;
          permit.release();
        }
        return count;
      }
      return { run: () => runtime.blockOn(main) };
    },
    async: async () => {
      const { Runtime, Semaphore } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      const semaphore = new Semaphore(1);
      const main = async () => {
        let count = 0;
        for (let i = 0; i < ROUNDS; i++) {
          const permit = await semaphore.acquire();
          count++;
          permit.release();
        }
        return count;
      };
      return { run: () => runtime.run(main) };
    },
    effect: effectRounds,
    "async-sema": semaRounds,
    "p-limit": limitRounds,
    "p-queue": queueRounds,
    promises: promiseRounds,
  },
};

/** Ten tasks on `permits` permits; each gives up its turn while it holds one, so that the others queue up. */
function contended(name, permits) {
  const all = (worker) => Array.from({ length: TASKS }, worker);
  return {
    name,
    unit: "acquire and release",
    ops: ROUNDS,
    answer: ROUNDS,
    base: "promises",
    sides: {
      generator: async () => {
        const { Runtime, Semaphore, yieldNow } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        const semaphore = new Semaphore(permits);
        let count = 0;
        function* worker() {
          for (let i = 0; i < EACH; i++) {
            const permit = yield* semaphore.acquire();
            yield* yieldNow();
            count++;
            permit.release();
          }
        }
        function* main() {
          count = 0;
          for (const handle of all(() => runtime.spawn(worker))) yield* handle;
          return count;
        }
        return { run: () => runtime.blockOn(main) };
      },
      async: async () => {
        const { Runtime, Semaphore } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        const semaphore = new Semaphore(permits);
        let count = 0;
        async function worker() {
          for (let i = 0; i < EACH; i++) {
            const permit = await semaphore.acquire();
            await RESOLVED;
            count++;
            permit.release();
          }
        }
        const main = async () => {
          count = 0;
          for (const handle of all(() => runtime.spawn(worker))) await handle;
          return count;
        };
        return { run: () => runtime.run(main) };
      },
      effect: async () => {
        const { Effect, Fiber, Semaphore } = await import("effect");
        const semaphore = Semaphore.makeUnsafe(permits);
        let count = 0;
        const worker = Effect.gen(function* () {
          for (let i = 0; i < EACH; i++) {
            yield* Semaphore.take(semaphore, 1);
            yield* Effect.yieldNow;
            count++;
            yield* Semaphore.release(semaphore, 1);
          }
        });
        const main = Effect.gen(function* () {
          count = 0;
          const fibers = [];
          for (let i = 0; i < TASKS; i++) fibers.push(yield* Effect.forkChild(worker));
          for (const fiber of fibers) yield* Fiber.join(fiber);
          return count;
        });
        return { run: () => Effect.runPromise(main) };
      },
      "async-mutex": async () => {
        const { Semaphore } = await import("async-mutex");
        const semaphore = new Semaphore(permits);
        return workers(async () => (await semaphore.acquire())[1]);
      },
      "async-sema": async () => {
        const { Sema } = await import("async-sema");
        const sema = new Sema(permits);
        const release = () => sema.release();
        return workers(async () => (await sema.acquire(), release));
      },
      "p-limit": async () => {
        const { default: pLimit } = await import("p-limit");
        const limit = pLimit(permits);
        return {
          async run() {
            let count = 0;
            const step = async () => {
              await RESOLVED;
              count++;
            };
            await Promise.all(
              all(async () => {
                for (let i = 0; i < EACH; i++) await limit(step);
              }),
            );
            return count;
          },
        };
      },
      "p-queue": async () => {
        const { default: PQueue } = await import("p-queue");
        const queue = new PQueue({ concurrency: permits });
        return {
          async run() {
            let count = 0;
            const step = async () => {
              await RESOLVED;
              count++;
            };
            await Promise.all(
              all(async () => {
                for (let i = 0; i < EACH; i++) await queue.add(step);
              }),
            );
            return count;
          },
        };
      },
      promises: () => {
        const mutex = new PromiseMutex(permits);
        const release = () => mutex.unlock();
        return workers(async () => (await mutex.lock(), release));
      },
    },
  };
}

/** Ten async functions that acquire, let others have a turn, and release. */
function workers(acquire) {
  return {
    async run() {
      let count = 0;
      const worker = async () => {
        for (let i = 0; i < EACH; i++) {
          const release = await acquire();
          await RESOLVED;
          count++;
          release();
        }
      };
      await Promise.all(Array.from({ length: TASKS }, worker));
      return count;
    },
  };
}

/** Two tasks wake each other in turn. */
const notifyPingPong = {
  name: "notify_ping_pong",
  unit: "notification",
  ops: 2 * ROUNDS,
  answer: ROUNDS,
  base: "promises",
  sides: {
    generator: async () => {
      const { Notify, Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      function* pong(there, back) {
        for (let i = 0; i < ROUNDS; i++) {
          yield* there.notified();
          back.notifyOne();
        }
      }
      function* main() {
        const there = new Notify();
        const back = new Notify();
        runtime.spawn(pong, there, back);
        let count = 0;
        for (; count < ROUNDS; count++) {
          there.notifyOne();
          yield* back.notified();
        }
        return count;
      }
      return { run: () => runtime.blockOn(() => runtime.spawn(main)) };
    },
    async: async () => {
      const { Notify, Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      async function pong(there, back) {
        for (let i = 0; i < ROUNDS; i++) {
          await there.notified();
          back.notifyOne();
        }
      }
      async function main() {
        const there = new Notify();
        const back = new Notify();
        runtime.spawn(pong, there, back);
        let count = 0;
        for (; count < ROUNDS; count++) {
          there.notifyOne();
          await back.notified();
        }
        return count;
      }
      return { run: () => runtime.run(() => runtime.spawn(main)) };
    },
    effect: async () => {
      const { Effect, Latch } = await import("effect");
      const main = Effect.gen(function* () {
        const there = yield* Latch.make();
        const back = yield* Latch.make();
        yield* Effect.forkChild(
          Effect.gen(function* () {
            for (let i = 0; i < ROUNDS; i++) {
              yield* there.await;
              yield* there.close;
              yield* back.open;
            }
          }),
        );
        let count = 0;
        for (; count < ROUNDS; count++) {
          yield* there.open;
          yield* back.await;
          yield* back.close;
        }
        return count;
      });
      return { run: () => Effect.runPromise(main) };
    },
    promises: () => {
      // Each side parks on a promise of its own; a ring before the wait is kept.
      class Bell {
        isRung = false;
        resolve = undefined;
        wait() {
          if (this.isRung) {
            this.isRung = false;
            return undefined;
          }
          return new Promise((resolve) => {
            this.resolve = resolve;
          });
        }
        ring() {
          const { resolve } = this;
          this.resolve = undefined;
          if (resolve === undefined) this.isRung = true;
          else resolve();
        }
      }
      return {
        async run() {
          const there = new Bell();
          const back = new Bell();
          const pong = async () => {
            for (let i = 0; i < ROUNDS; i++) {
              await there.wait();
              back.ring();
            }
          };
          const done = pong();
          let count = 0;
          for (; count < ROUNDS; count++) {
            there.ring();
            await back.wait();
          }
          await done;
          return count;
        },
      };
    },
  },
};

export default [mutexAlone(), semaphoreAlone, contended("mutex_contended_10", 1), contended("semaphore_contended_10_on_4", 4), notifyPingPong];
