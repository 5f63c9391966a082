// The C guest in a page: poll tasks, a promise, and 500 blocking stacks; from Emscripten's factory and from bytes.
import { Runtime } from "/dist/index.js";
import { attach } from "/dist/guest.js";
import createGuest from "/test/guests/fixtures/guest-c.mjs";

export const bytes = async (name) => (await fetch(`/test/guests/fixtures/${name}`)).arrayBuffer();

export async function exercise(guest, call) {
  const runtimeTasks = Array.from({ length: 10_000 }, () => guest.spawn(call("yield_fn")(), call("yielder_new")(2)));
  const sum = (await Promise.all(runtimeTasks)).reduce((total, value) => total + value, 0);
  const fetched = await guest.task(call("awaiter_spawn")(guest.expose(fetch("/dist/core.wasm").then((response) => response.status))));
  const stacks = guest.canBlock ? Array.from({ length: 500 }, (_, id) => guest.run(call("canary_fn")(), id)) : [];
  const ended = (await Promise.all(stacks)).length;
  const program = guest.canBlock ? await guest.run("program", 40) : 0;
  return { sum, fetched, ended, corrupted: call("corrupted_get")(), program };
}

export default async function guest() {
  const runtime = new Runtime();
  const emcc = await attach(runtime, createGuest, { module: { wasmBinary: await bytes("guest-c.wasm") }, stackBytes: 16384 });
  const clang = await attach(runtime, await bytes("guest-clang.wasm"), { name: "clang", stackBytes: 16384 });
  const [first, second] = await Promise.all([
    exercise(emcc, (name) => emcc.exports[`_${name}`]),
    exercise(clang, (name) => clang.exports[name]),
  ]);
  await runtime.shutdown();
  return { canBlock: emcc.canBlock && clang.canBlock, first, second };
}
