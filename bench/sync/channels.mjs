// Channels on one thread: a producer and a consumer task, a message at a time.
import { deferred, PromiseChannel } from "./peers.mjs";

const MESSAGES = 10_000;
const SUM = (MESSAGES * (MESSAGES - 1)) / 2;
const RECEIVERS = 10;

/** A producer and a consumer on an mpsc channel; capacity 0 is unbounded. */
function mpscCase(name, capacity, tokio) {
  const load = async () => {
    const { mpsc, Runtime, unboundedMpsc } = await import("../lib/tokiwa.mjs");
    return { runtime: new Runtime(), make: () => (capacity === 0 ? unboundedMpsc() : mpsc(capacity)) };
  };
  return {
    name,
    unit: "message",
    ops: MESSAGES,
    answer: SUM,
    tokio,
    base: "promises",
    sides: {
      generator: async () => {
        const { runtime, make } = await load();
        function* produce(tx) {
          if (capacity === 0) for (let i = 0; i < MESSAGES; i++) tx.send(i);
          else for (let i = 0; i < MESSAGES; i++) yield* tx.send(i);
          tx.close();
        }
        function* consume(rx) {
          let sum = 0;
          for (let value = yield* rx.recv(); value !== undefined; value = yield* rx.recv()) sum += value;
          return sum;
        }
        function* main() {
          const [tx, rx] = make();
          runtime.spawn(produce, tx);
          return yield* runtime.spawn(consume, rx);
        }
        return { run: () => runtime.blockOn(main) };
      },
      async: async () => {
        const { runtime, make } = await load();
        async function produce(tx) {
          for (let i = 0; i < MESSAGES; i++) {
            if (capacity === 0) tx.send(i);
            else await tx.send(i);
          }
          tx.close();
        }
        async function consume(rx) {
          let sum = 0;
          for (let value = await rx.recv(); value !== undefined; value = await rx.recv()) sum += value;
          return sum;
        }
        function main() {
          const [tx, rx] = make();
          runtime.spawn(produce, tx);
          return runtime.spawn(consume, rx);
        }
        return { run: () => runtime.run(main) };
      },
      "async, many at once": async () => {
        const { runtime, make } = await load();
        async function produce(tx) {
          for (let i = 0; i < MESSAGES; i++) {
            if (capacity === 0) tx.send(i);
            else await tx.send(i);
          }
          tx.close();
        }
        async function main() {
          const [tx, rx] = make();
          runtime.spawn(produce, tx);
          let sum = 0;
          const batch = [];
          while ((await rx.recvMany(batch, 100)) > 0) {
            for (const value of batch) sum += value;
            batch.length = 0;
          }
          return sum;
        }
        return { run: () => runtime.run(main) };
      },
      effect: async () => {
        const { Effect, Queue } = await import("effect");
        const main = Effect.gen(function* () {
          const queue = yield* capacity === 0 ? Queue.unbounded() : Queue.bounded(capacity);
          yield* Effect.forkDetach(
            Effect.gen(function* () {
              for (let i = 0; i < MESSAGES; i++) yield* Queue.offer(queue, i);
            }),
          );
          let sum = 0;
          for (let i = 0; i < MESSAGES; i++) sum += yield* Queue.take(queue);
          return sum;
        });
        return { run: () => Effect.runPromise(main) };
      },
      promises: () => {
        async function produce(channel) {
          for (let i = 0; i < MESSAGES; i++) await channel.send(i);
        }
        return {
          run: async () => {
            const channel = new PromiseChannel(capacity === 0 ? Infinity : capacity);
            const producing = produce(channel);
            let sum = 0;
            for (let i = 0; i < MESSAGES; i++) sum += await channel.recv();
            await producing;
            return sum;
          },
        };
      },
    },
  };
}

export default [
  mpscCase("mpsc_bounded_100", 100, "75"),
  mpscCase("mpsc_bounded_1", 1),
  mpscCase("mpsc_unbounded", 0, "45"),
  {
    name: "mpsc_try",
    unit: "message",
    ops: MESSAGES,
    answer: SUM,
    base: "array",
    sides: {
      tokiwa: async () => {
        const { mpsc } = await import("../lib/tokiwa.mjs");
        const [tx, rx] = mpsc(100);
        return {
          run() {
            let sum = 0;
            for (let i = 0; i < MESSAGES; i++) {
              tx.trySend(i);
              sum += rx.tryRecv();
            }
            return sum;
          },
        };
      },
      array: () => {
        const queue = [];
        return {
          run() {
            let sum = 0;
            for (let i = 0; i < MESSAGES; i++) {
              queue.push(i);
              sum += queue.shift();
            }
            return sum;
          },
        };
      },
    },
  },
  {
    name: "oneshot",                                       // make, send, receive, in one task
    unit: "channel",
    ops: MESSAGES,
    answer: SUM,
    tokio: "43-52",
    base: "promises",
    sides: {
      generator: async () => {
        const { oneshot, Runtime } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        function* main() {
          let sum = 0;
          for (let i = 0; i < MESSAGES; i++) {
            const [tx, rx] = oneshot();
            tx.send(i);
            sum += yield* rx;
          }
          return sum;
        }
        return { run: () => runtime.blockOn(main) };
      },
      async: async () => {
        const { oneshot, Runtime } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        async function main() {
          let sum = 0;
          for (let i = 0; i < MESSAGES; i++) {
            const [tx, rx] = oneshot();
            tx.send(i);
            sum += await rx;
          }
          return sum;
        }
        return { run: () => runtime.run(main) };
      },
      effect: async () => {
        const { Deferred, Effect } = await import("effect");
        const main = Effect.gen(function* () {
          let sum = 0;
          for (let i = 0; i < MESSAGES; i++) {
            const one = yield* Deferred.make();
            yield* Deferred.succeed(one, i);
            sum += yield* Deferred.await(one);
          }
          return sum;
        });
        return { run: () => Effect.runPromise(main) };
      },
      promises: () => ({
        run: async () => {
          let sum = 0;
          for (let i = 0; i < MESSAGES; i++) {
            const one = deferred();
            one.resolve(i);
            sum += await one.promise;
          }
          return sum;
        },
      }),
    },
  },
  {
    name: "broadcast_to_10",                               // one message to ten receivers; cost of one delivery
    unit: "delivery",
    ops: MESSAGES,
    answer: RECEIVERS * ((MESSAGES / RECEIVERS) * (MESSAGES / RECEIVERS - 1)) / 2,
    base: "promises",
    sides: {
      generator: async () => {
        const { broadcast, Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        const count = MESSAGES / RECEIVERS;
        function* receive(rx) {
          let sum = 0;
          for (let i = 0; i < count; i++) sum += yield* rx.recv();
          return sum;
        }
        function* main() {
          const [tx, first] = broadcast(64);
          const handles = [runtime.spawn(receive, first)];
          while (handles.length < RECEIVERS) handles.push(runtime.spawn(receive, tx.subscribe()));
          for (let i = 0; i < count; i++) {
            tx.send(i);
            if (i % 32 === 31) yield* yieldNow();
          }
          let sum = 0;
          for (const handle of handles) sum += yield* handle;
          return sum;
        }
        return { run: () => runtime.blockOn(main) };
      },
      effect: async () => {
        const { Effect, Fiber, PubSub } = await import("effect");
        const count = MESSAGES / RECEIVERS;
        const receive = (subscription) =>
          Effect.gen(function* () {
            let sum = 0;
            for (let i = 0; i < count; i++) sum += yield* PubSub.take(subscription);
            return sum;
          });
        const main = Effect.scoped(
          Effect.gen(function* () {
            const hub = yield* PubSub.bounded(64);
            const fibers = [];
            while (fibers.length < RECEIVERS) fibers.push(yield* Effect.forkChild(receive(yield* PubSub.subscribe(hub))));
            for (let i = 0; i < count; i++) yield* PubSub.publish(hub, i);
            let sum = 0;
            for (const fiber of fibers) sum += yield* Fiber.join(fiber);
            return sum;
          }),
        );
        return { run: () => Effect.runPromise(main) };
      },
      promises: () => {
        const count = MESSAGES / RECEIVERS;
        async function receive(channel) {
          let sum = 0;
          for (let i = 0; i < count; i++) sum += await channel.recv();
          return sum;
        }
        return {
          run: async () => {
            const channels = Array.from({ length: RECEIVERS }, () => new PromiseChannel(64));
            const sums = channels.map(receive);
            for (let i = 0; i < count; i++) for (const channel of channels) await channel.send(i);
            return (await Promise.all(sums)).reduce((a, b) => a + b);
          },
        };
      },
    },
  },
  {
    name: "watch_changed",                                 // a value is sent and seen, in two tasks
    unit: "change",
    ops: MESSAGES,
    answer: MESSAGES,
    base: "EventTarget",
    sides: {
      generator: async () => {
        const { Runtime, watch, yieldNow } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        function* produce(tx) {
          for (let i = 0; i < MESSAGES; i++) {
            tx.send(i);
            yield* yieldNow();
          }
          tx.close();
        }
        function* main() {
          const [tx, rx] = watch(-1);
          runtime.spawn(produce, tx);
          let seen = 0;
          while (seen < MESSAGES) {
            yield* rx.changed();
            seen++;
          }
          return seen;
        }
        return { run: () => runtime.blockOn(main) };
      },
      EventTarget: () => {
        const target = new EventTarget();
        return {
          run: async () => {
            let seen = 0;
            for (let i = 0; i < MESSAGES; i++) {
              const { promise, resolve } = deferred();
              target.addEventListener("change", resolve, { once: true });
              target.dispatchEvent(new Event("change"));
              await promise;
              seen++;
            }
            return seen;
          },
        };
      },
    },
  },
];
