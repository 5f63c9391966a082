// Blocking code under JSPI: what a tk_yield() costs beside a bare suspending import that the host resolves at once.
import { evaluateIn } from "../lib/host.mjs";
import { guestOf } from "./guests.mjs";

const LOOPS = 20_000;
const noJspi = ({ node }) => (evaluateIn(node, "typeof WebAssembly.Suspending") === "function" ? undefined : "this Node has no JSPI: --node .nodes/26/node_modules/.bin/node");

/** (module (import "e" "f" (func)) (func (export "g") (param i32) (loop (call 0) ... br_if))) */
const LOOP = [0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 2, 96, 0, 0, 96, 1, 127, 0, 2, 7, 1, 1, 101, 1, 102, 0, 0, 3, 2, 1, 1, 7, 5, 1, 1, 103, 0, 1, 10, 18, 1, 16, 0, 3, 64, 16, 0, 32, 0, 65, 1, 107, 34, 0, 13, 0, 11, 11];

/** @param stacks so many tasks suspend in turns, the loops divided among them */
const looped = (name, stacks) => async () => {
  const { guest } = await guestOf("clang", {});
  return {
    async run() {
      const results = await Promise.all(Array.from({ length: stacks }, () => guest.run(name, LOOPS / stacks)));
      return results.reduce((sum, result) => sum + result, 0);
    },
  };
};

const bare = (stacks) => () => {
  const suspending = new WebAssembly.Suspending(() => Promise.resolve());
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(LOOP)), { e: { f: suspending } });
  const loop = WebAssembly.promising(instance.exports.g);
  return {
    async run() {
      await Promise.all(Array.from({ length: stacks }, () => loop(LOOPS / stacks)));
      return LOOPS;
    },
  };
};

/** Sleeps of 0 ms, 100 tasks at once; the bare import waits for a host timer. */
const SLEEPS = 4000;
const sleepers = (run) => ({ run: () => run(100, SLEEPS / 100) });
const sleeping = async () => {
  const { guest } = await guestOf("clang", {});
  return sleepers(async (tasks, sleeps) => (await Promise.all(Array.from({ length: tasks }, () => guest.run("sleep_loop", sleeps)))).reduce((sum, done) => sum + done, 0));
};
const bareSleeping = () => {
  const suspending = new WebAssembly.Suspending(() => new Promise((resolve) => setTimeout(resolve, 0)));
  const loop = WebAssembly.promising(new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(LOOP)), { e: { f: suspending } }).exports.g);
  return sleepers(async (tasks, sleeps) => {
    await Promise.all(Array.from({ length: tasks }, () => loop(sleeps)));
    return tasks * sleeps;
  });
};

const skip = { tk_yield: noJspi, "bare import": noJspi };
export default [
  { name: "guest_suspend_1", unit: "suspension", ops: LOOPS, answer: LOOPS, base: "bare import", skip, sides: { tk_yield: looped("yield_loop", 1), "bare import": bare(1) } },
  { name: "guest_suspend_100", unit: "suspension", ops: LOOPS, answer: LOOPS, base: "bare import", skip, sides: { tk_yield: looped("yield_loop", 100), "bare import": bare(100) } },
  {
    name: "guest_sleep_100",
    unit: "sleep",
    ops: SLEEPS,
    answer: SLEEPS,
    base: "bare import",
    skip: { tk_sleep: noJspi, "bare import": noJspi },
    sides: { tk_sleep: sleeping, "bare import": bareSleeping },
  },
];
