// What the runtime costs beside the tasks: an empty drive, a round trip through the host, the native awaits of
// somebody else's code once async tasks exist.

const N = 1000;

const drives = {
  name: "drive_overhead",
  unit: "drive",
  ops: N,
  answer: N,
  base: "setImmediate",
  sides: {
    "nothing ready": async () => {
      const { Runtime } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime({ lane: "manual" });
      return {
        run() {
          let done = 0;
          for (; done < N; done++) runtime.drive();
          return done;
        },
      };
    },
    "one task ready": async () => {
      const { Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime({ lane: "manual" });
      runtime.spawn(function* () {
        for (;;) yield* yieldNow();
      });
      const budget = { polls: 1 };
      return {
        run() {
          let done = 0;
          for (; done < N; done++) runtime.drive(budget);
          return done;
        },
      };
    },
    setImmediate: () => ({
      run: () =>
        new Promise((resolve) => {
          let done = 0;
          const turn = () => (++done === N ? resolve(done) : setImmediate(turn));
          setImmediate(turn);
        }),
    }),
  },
};

/** The host wakes one parked task; its answer wakes the host. */
const roundTrip = {
  name: "wake_from_host",
  unit: "round trip",
  ops: N,
  answer: N,
  base: "promise",
  sides: {
    generator: () => wakeFromHost(false),
    async: () => wakeFromHost(true),
    promise: () => ({
      async run() {
        let go, answer;
        const task = async () => {
          for (let i = 0; i < N; i++) {
            await new Promise((resolve) => (go = resolve));
            answer();
          }
        };
        const ended = task();
        let done = 0;
        for (; done < N; done++) {
          const answered = new Promise((resolve) => (answer = resolve));
          go();
          await answered;
        }
        await ended;
        return done;
      },
    }),
  },
};

async function wakeFromHost(isAsync) {
  const { future, PENDING, Runtime } = await import("../lib/tokiwa.mjs");
  const runtime = new Runtime();
  let isGiven = false;
  let waker, answer;
  const given = () =>
    future((w) => {
      if (isGiven) return (isGiven = false), true;
      waker = w;
      return PENDING;
    });
  function* generatorTask() {
    for (let i = 0; i < N; i++) {
      yield* given();
      answer();
    }
  }
  const asyncTask = async () => {
    for (let i = 0; i < N; i++) {
      await given();
      answer();
    }
  };
  return {
    async run() {
      const task = runtime.spawn(isAsync ? asyncTask : generatorTask);
      let done = 0;
      for (; done < N; done++) {
        const answered = new Promise((resolve) => (answer = resolve));
        isGiven = true;
        waker?.wake();
        await answered;
      }
      waker = undefined;
      await task;
      return done;
    },
  };
}

const settled = Promise.resolve();
const bareAwaits = async () => {
  let done = 0;
  for (; done < N; done++) await settled;
  return done;
};

/** A loop of native awaits that has nothing to do with the package. */
const foreign = {
  name: "native_await_beside",
  unit: "await",
  ops: N,
  answer: N,
  base: "without the package",
  sides: {
    "after generator tasks": async () => {
      const { Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      await runtime.run(function* () {
        for (let i = 0; i < 100; i++) yield* yieldNow();
      });
      return { run: bareAwaits };
    },
    "after async tasks": async () => {
      const { Runtime, sleep } = await import("../lib/tokiwa.mjs");
      const runtime = new Runtime();
      await runtime.spawn(async () => sleep(1));
      return { run: bareAwaits };
    },
    "without the package": () => ({ run: bareAwaits }),
  },
};

export default [drives, roundTrip, foreign];
