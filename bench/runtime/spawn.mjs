// spawn+join in batches, chains of spawns, and two tasks that wake each other.

const BATCH = 1000;
const SUM = (BATCH * (BATCH - 1)) / 2;

/** BATCH tasks spawned, then joined in order; each adds its argument. */
const spawnJoin = {
  name: "spawn_join_1000",
  unit: "task",
  ops: BATCH,
  answer: SUM,
  tokio: "239-284",
  base: "promise one await",
  sides: {
    generator: async () => {
      const { Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      function* work(i) {
        return i;
      }
      function* main() {
        const handles = [];
        for (let i = 0; i < BATCH; i++) handles.push(runtime.spawn(work, i));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.blockOn(main) };
    },
    "generator no argument": async () => {
      const { Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      let next = 0;
      function* work() {
        return next++;
      }
      function* main() {
        next = 0;
        const handles = [];
        for (let i = 0; i < BATCH; i++) handles.push(runtime.spawn(work));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.blockOn(main) };
    },
    "generator one yield": async () => {
      const { Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      function* work(i) {
        yield* yieldNow();
        return i;
      }
      function* main() {
        const handles = [];
        for (let i = 0; i < BATCH; i++) handles.push(runtime.spawn(work, i));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.blockOn(main) };
    },
    "generator fresh closure": async () => {
      const { Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      function* main() {
        const handles = [];
        for (let i = 0; i < BATCH; i++) {
          handles.push(
            runtime.spawn(function* () {
              return i;
            }),
          );
        }
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.blockOn(main) };
    },
    async: async () => {
      const { Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      const work = async (i) => i;
      function* main() {
        const handles = [];
        for (let i = 0; i < BATCH; i++) handles.push(runtime.spawn(work, i));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.run(main) };
    },
    "async one yield": async () => {
      const { Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      const work = async (i) => {
        await yieldNow();
        return i;
      };
      function* main() {
        const handles = [];
        for (let i = 0; i < BATCH; i++) handles.push(runtime.spawn(work, i));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.run(main) };
    },
    "poll future": async () => {
      const { Runtime, future } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      function* main() {
        const handles = [];
        for (let i = 0; i < BATCH; i++) handles.push(runtime.spawn(future(() => i)));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.blockOn(main) };
    },
    arrays: async () => {
      const { ArrayScheduler } = await import("./peers.mjs");
      const scheduler = new ArrayScheduler();
      function* work(i) {
        return i;
      }
      return {
        run() {
          const tasks = [];
          for (let i = 0; i < BATCH; i++) tasks.push(scheduler.spawn(work, i));
          scheduler.run();
          let sum = 0;
          for (const task of tasks) sum += task.value;
          return sum;
        },
      };
    },
    effect: async () => {
      const { Effect, Fiber } = await import("effect");
      const work = (i) =>
        Effect.gen(function* () {
          return i;
        });
      const main = Effect.gen(function* () {
        const fibers = [];
        for (let i = 0; i < BATCH; i++) fibers.push(yield* Effect.forkChild(work(i)));
        let sum = 0;
        for (const fiber of fibers) sum += yield* Fiber.join(fiber);
        return sum;
      });
      return { run: () => Effect.runPromise(main) };
    },
    effection: async () => {
      const { run, spawn } = await import("effection");
      return {
        run: () =>
          run(function* () {
            const tasks = [];
            for (let i = 0; i < BATCH; i++) {
              tasks.push(
                yield* spawn(function* () {
                  return i;
                }),
              );
            }
            let sum = 0;
            for (const task of tasks) sum += yield* task;
            return sum;
          }),
      };
    },
    "promise one await": () => {
      // The cheapest comparable thing: native async functions that await once, joined in order.
      const work = async (i) => {
        await undefined; // oxlint-disable-line unicorn/no-unnecessary-await
        return i;
      };
      return {
        async run() {
          const promises = [];
          for (let i = 0; i < BATCH; i++) promises.push(work(i));
          let sum = 0;
          for (const promise of promises) sum += await promise;
          return sum;
        },
      };
    },
  },
};

const DEPTH = 1000;

/** Each task spawns the next, 1000 deep, and the last one reports. */
const chained = {
  name: "chained_spawn",
  unit: "task",
  ops: DEPTH,
  answer: DEPTH,
  tokio: "201-248",
  base: "promise",
  sides: {
    generator: async () => {
      const { Runtime, future, PENDING } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      let reached = 0;
      let waker;
      function* step(n) {
        if (n === 0) {
          reached = DEPTH;
          waker?.wake();
          return;
        }
        runtime.spawn(step, n - 1);
      }
      function* main() {
        reached = 0;
        runtime.spawn(step, DEPTH);
        return yield* future((w) => (reached === 0 ? ((waker = w), PENDING) : reached));
      }
      return { run: () => runtime.blockOn(main) };
    },
    async: async () => {
      const { Runtime, future, PENDING } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      let reached = 0;
      let waker;
      const step = async (n) => {
        if (n === 0) {
          reached = DEPTH;
          waker?.wake();
          return;
        }
        runtime.spawn(step, n - 1);
      };
      function* main() {
        reached = 0;
        runtime.spawn(step, DEPTH);
        return yield* future((w) => (reached === 0 ? ((waker = w), PENDING) : reached));
      }
      return { run: () => runtime.run(main) };
    },
    effect: async () => {
      const { Deferred, Effect } = await import("effect");
      const main = Effect.gen(function* () {
        const done = yield* Deferred.make();
        const step = (n) =>
          Effect.gen(function* () {
            if (n === 0) yield* Deferred.succeed(done, DEPTH);
            else yield* Effect.forkDetach(step(n - 1));
          });
        yield* Effect.forkDetach(step(DEPTH));
        return yield* Deferred.await(done);
      });
      return { run: () => Effect.runPromise(main) };
    },
    promise: () => ({
      run: () =>
        new Promise((resolve) => {
          const step = async (n) => {
            await undefined; // oxlint-disable-line unicorn/no-unnecessary-await
            if (n === 0) resolve(DEPTH);
            else void step(n - 1);
          };
          void step(DEPTH);
        }),
    }),
  },
};

const ROUNDS = 1000;

/** As Tokio's ping_pong: per round a task is spawned, two one-value mailboxes are crossed, and it ends. */
const pingPong = {
  name: "ping_pong",
  unit: "round",
  ops: ROUNDS,
  answer: ROUNDS,
  tokio: "722-759",
  base: "promise",
  sides: {
    generator: async () => {
      const { oneshot, Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      function* pong(answer, question) {
        yield* question;
        answer.send(1);
      }
      function* ping() {
        const [ask, question] = oneshot();
        const [answer, reply] = oneshot();
        runtime.spawn(pong, answer, question);
        ask.send(0);
        return yield* reply;
      }
      function* main() {
        const handles = [];
        for (let i = 0; i < ROUNDS; i++) handles.push(runtime.spawn(ping));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.blockOn(main) };
    },
    async: async () => {
      const { oneshot, Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      const pong = async (answer, question) => {
        await question;
        answer.send(1);
      };
      const ping = async () => {
        const [ask, question] = oneshot();
        const [answer, reply] = oneshot();
        runtime.spawn(pong, answer, question);
        ask.send(0);
        return reply;
      };
      function* main() {
        const handles = [];
        for (let i = 0; i < ROUNDS; i++) handles.push(runtime.spawn(ping));
        let sum = 0;
        for (const handle of handles) sum += yield* handle;
        return sum;
      }
      return { run: () => runtime.run(main) };
    },
    effect: async () => {
      const { Deferred, Effect, Fiber } = await import("effect");
      const pong = (answer, question) =>
        Effect.gen(function* () {
          yield* Deferred.await(question);
          yield* Deferred.succeed(answer, 1);
        });
      const ping = Effect.gen(function* () {
        const question = yield* Deferred.make();
        const answer = yield* Deferred.make();
        yield* Effect.forkDetach(pong(answer, question));
        yield* Deferred.succeed(question, 0);
        return yield* Deferred.await(answer);
      });
      const main = Effect.gen(function* () {
        const fibers = [];
        for (let i = 0; i < ROUNDS; i++) fibers.push(yield* Effect.forkChild(ping));
        let sum = 0;
        for (const fiber of fibers) sum += yield* Fiber.join(fiber);
        return sum;
      });
      return { run: () => Effect.runPromise(main) };
    },
    promise: () => {
      const oneshot = () => {
        let send;
        const promise = new Promise((resolve) => (send = resolve));
        return [send, promise];
      };
      const pong = async (answer, question) => {
        await question;
        answer(1);
      };
      const ping = async () => {
        const [ask, question] = oneshot();
        const [answer, reply] = oneshot();
        void pong(answer, question);
        ask(0);
        return reply;
      };
      return {
        async run() {
          const promises = [];
          for (let i = 0; i < ROUNDS; i++) promises.push(ping());
          let sum = 0;
          for (const promise of promises) sum += await promise;
          return sum;
        },
      };
    },
  },
};

export default [spawnJoin, chained, pingPong];
