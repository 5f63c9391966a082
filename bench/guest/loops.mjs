// Loops that several pthreads run: one C source on the page's loop, and on one and two pthreads, whose loop is in shared memory.
import { loopOf } from "./guests.mjs";

const TASKS = 1000;
const YIELDS = 100;

const side = (pthreads, tasks, yields) => async () => {
  const { guest, loop, call } = await loopOf(pthreads);
  return { run: () => guest.task(call._lean_join(loop, tasks, yields)) };
};

const sides = (tasks, yields) => ({
  "1 pthread": side(1, tasks, yields),
  "2 pthreads": side(2, tasks, yields),
  "the page's loop": side(0, tasks, yields),
});

export default [
  { name: "guest_loop_yield", unit: "yield", ops: TASKS * YIELDS, answer: TASKS, base: "the page's loop", tokio: "52-55", sides: sides(TASKS, YIELDS) },
  { name: "guest_loop_spawn_join", unit: "task", ops: TASKS, answer: TASKS, base: "the page's loop", tokio: "240-280", sides: sides(TASKS, 1) },
];
