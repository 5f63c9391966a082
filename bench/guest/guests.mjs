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

export default undefined;
