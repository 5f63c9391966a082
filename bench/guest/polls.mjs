// Poll tasks of guests: spawned and run, yielding, woken, asleep. The guests are the fixtures of the tests; the baselines drive
// the same C functions from a queue in JavaScript, and use Emscripten's own emscripten_async_call and emscripten_set_timeout.
import { guestOf, peer, YIELD } from "./guests.mjs";

const SPAWNS = 1000;
/** Reading the CPU clock costs as much as a hundred tasks: once for ten thousand. */
const ROUNDS = 10;
const TASKS = 1000;
/** A hundred yields of each task, so that its start and end are a hundredth of what is measured. */
const YIELDS = 100;
const TIMERS = 10_000;

/** Spawns and runs through the core. */
const spawnSide = (name, spawn, total, rounds = 1) => async () => {
  const { call, drive } = await guestOf(name);
  return {
    run() {
      const before = total(call);
      for (let round = 0; round < rounds; round++) {
        spawn(call);
        drive();
      }
      return (total(call) - before) >>> 0;
    },
  };
};

/** A table function of the C guest, called by JavaScript. */
async function cFunction(name) {
  const { guest, call } = await guestOf("clang");
  return { call, poll: guest.exports.__indirect_function_table.get(call[name]()) };
}

/** Wakes a thousand idle tasks from JavaScript; polling them is not measured. */
async function wakes(wake) {
  const side = await guestOf("clang");
  const tasks = Array.from({ length: TASKS }, (_, id) => side.call.idle_spawn(id));
  side.drive();
  return {
    before: side.drive,
    run() {
      let woken = 0;
      for (const task of tasks) if (wake(side, task)) woken++;
      return woken;
    },
  };
}

export default [
  {
    name: "guest_spawn_run",
    unit: "task",
    ops: SPAWNS * ROUNDS,
    answer: SPAWNS * ROUNDS,
    base: "JS queue",
    tokio: "240-280",
    sides: {
      C: spawnSide("clang", (call) => call.fill(SPAWNS), (call) => call.counter_get(), ROUNDS),
      "C++": spawnSide("cpp", (call) => call.start_yielders(SPAWNS, 0), (call) => call.total(), ROUNDS),
      Rust: spawnSide("rust", (call) => call.start_yielders(SPAWNS, 0), (call) => call.total(), ROUNDS),
      "JS queue": async () => {
        const { call, poll } = await cFunction("tick_fn");
        return {
          run() {
            const before = call.counter_get();
            for (let round = 0; round < ROUNDS; round++) {
              const queue = [];
              for (let i = 0; i < SPAWNS; i++) queue.push(() => poll(1, i));
              for (const task of queue) task();
            }
            return (call.counter_get() - before) >>> 0;
          },
        };
      },
      emscripten_async_call: () => peer((module) => module._async_calls(SPAWNS * ROUNDS)),
    },
  },
  {
    name: "guest_yield_1000",
    unit: "yield",
    ops: TASKS * YIELDS,
    answer: TASKS,
    base: "JS queue",
    tokio: "52-55",
    sides: {
      C: async () => {
        const { call, drive } = await guestOf("clang");
        return {
          run() {
            const before = call.counter_get();
            for (let i = 0; i < TASKS; i++) call.yielder_spawn_detached(YIELDS);
            drive();
            return ((call.counter_get() - before) >>> 0) / YIELDS;
          },
        };
      },
      "C++": spawnSide("cpp", (call) => call.start_yielders(TASKS, YIELDS), (call) => call.total()),
      Rust: spawnSide("rust", (call) => call.start_yielders(TASKS, YIELDS), (call) => call.total()),
      "JS queue": async () => {
        const { call, poll } = await cFunction("yield_fn");
        return {
          run() {
            const before = call.counter_get();
            let queue = Array.from({ length: TASKS }, () => call.yielder_new(YIELDS));
            while (queue.length > 0) {
              const next = [];
              for (const arg of queue) if (poll(arg, 0) === YIELD) next.push(arg);
              queue = next;
            }
            return ((call.counter_get() - before) >>> 0) / YIELDS;
          },
        };
      },
    },
  },
  {
    name: "guest_wake",
    unit: "wake",
    ops: TASKS,
    answer: TASKS,
    base: "core.wake",
    sides: {
      "guest.wake": () => wakes(({ guest }, task) => guest.wake(task)),
      "core.wake": () => wakes(({ runtime }, task) => {
        const { core, arena } = runtime.scheduler;
        return core.exports.wake(arena, task) === 1;
      }),
    },
  },
  {
    name: "guest_timer",
    unit: "timer",
    ops: TIMERS,
    answer: TIMERS,
    base: "emscripten_set_timeout",
    sides: {
      C: async () => {
        const { runtime, call } = await guestOf("clang", {});
        return {
          async run() {
            const before = call.counter_get();
            call.sleepers(TIMERS, 1);
            while (runtime.metrics().tasksAlive > 0) await new Promise((resolve) => setTimeout(resolve, 1));
            return (call.counter_get() - before) >>> 0;
          },
        };
      },
      emscripten_set_timeout: () => peer((module) => module._set_timeouts(TIMERS, 1)),
    },
  },
];
