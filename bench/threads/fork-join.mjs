// fib(30), ten times, by nested spawns on two workers: below the cut-off a task computes by itself.
const N = 30;
const CUT_OFF = 23;
const TIMES = 10;
const ANSWER = 832_040 * TIMES;

const side = (transport, workerThreads) => async () => {
  const { Runtime } = await import("../../dist/index.js");
  const { remoteFib } = await import("./workers/fib.mjs");
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads, transport });
  await Promise.all(Array.from({ length: 2 * workerThreads }, () => runtime.spawn(remoteFib, 10, 5)));
  return {
    run: async () => {
      let sum = 0;
      for (let i = 0; i < TIMES; i++) sum += await runtime.spawn(remoteFib, N, CUT_OFF);
      return sum;
    },
  };
};

export default [
  {
    name: "fib_30_nested_spawn",
    unit: "fib(30)",
    ops: TIMES,
    answer: ANSWER,
    clock: "wall",
    base: "sequential",
    sides: {
      "tokiwa shared": side("shared", 2),
      "tokiwa messages": side("messages", 2),
      "tokiwa shared, one worker": side("shared", 1),
      sequential: async () => {
        const { plainFib } = await import("./workers/fib.mjs");
        return {
          run: () => {
            let sum = 0;
            for (let i = 0; i < TIMES; i++) sum += plainFib(N);
            return sum;
          },
        };
      },
    },
  },
];
