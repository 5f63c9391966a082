// The compiled guests of the tests, for the cases beside this file.
import { readFile } from "node:fs/promises";
import { Runtime } from "../../dist/index.js";
import { attach } from "../../dist/guest.js";

/** What a poll function returns to be called again. */
export const YIELD = 2;
const FILES = { clang: "guest-clang.wasm", cpp: "guest-cpp-clang.wasm", rust: "guest-rust.wasm" };
const nothing = () => 0;
const wasi = { fd_close: nothing, fd_seek: nothing, fd_write: nothing, fd_fdstat_get: nothing, environ_get: nothing, environ_sizes_get: nothing, proc_exit: nothing };

/** A guest on a runtime that is driven by hand. */
export async function guestOf(name, options = { lane: "manual" }) {
  const runtime = new Runtime(options);
  const bytes = await readFile(new URL(`../../test/guests/fixtures/${FILES[name]}`, import.meta.url));
  const guest = await attach(runtime, bytes, { imports: { wasi_snapshot_preview1: wasi } });
  const drive = () => {
    while (runtime.drive({ ms: 1000 }).more);
  };
  return { runtime, guest, call: guest.exports, drive };
}

/** Emscripten's own timers and calls for later, in a module without tokiwa. `calls(module)` starts some. */
export async function peer(calls) {
  const { default: create } = await import("../../test/guests/fixtures/peer.mjs");
  let done;
  const wasmBinary = await readFile(new URL("../../test/guests/fixtures/peer.wasm", import.meta.url));
  const module = await create({ wasmBinary, done: () => done() });
  return {
    async run() {
      const before = module._called_get();
      const finished = new Promise((resolve) => (done = resolve));
      calls(module);
      await finished;
      return (module._called_get() - before) >>> 0;
    },
  };
}

/** One C source, built without and with -pthread: its loop, run by so many pthreads (0: the page's own). */
export async function loopOf(pthreads) {
  const name = pthreads > 0 ? "guest-pthread.js" : "guest-loops.mjs";
  const at = (file) => new URL(`../../test/guests/fixtures/${file}`, import.meta.url);
  const { default: factory } = await import(at(name).href);
  const wasmBinary = await readFile(at(name.replace(/\.m?js$/, ".wasm")));
  const guest = await attach(new Runtime(), factory, { module: { wasmBinary } });
  const loop = guest.exports._loop_new();
  guest.exports._loop_start(loop, pthreads);
  while (pthreads > 0 && guest.exports._loop_runners(loop) < pthreads) await new Promise((done) => setTimeout(done, 2));
  return { guest, loop, call: guest.exports };
}

/** The C guest that has threads. */
export async function threadsOf() {
  const guest = await attach(new Runtime(), await readFile(new URL("../../test/guests/fixtures/guest-threads-clang.wasm", import.meta.url)));
  return { guest, call: guest.exports };
}

export default undefined;
