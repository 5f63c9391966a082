// The compiled guests of test/guests/fixtures, on a runtime.
import { readFile } from "node:fs/promises";
import type { Runtime } from "tokiwa";
import { attach, type AttachOptions, type Guest } from "tokiwa/guest";

export type Call = (...args: number[]) => number;
export type Calls = Record<string, Call>;
export interface Loaded {
  readonly runtime: Runtime;
  readonly guest: Guest;
  /** The guest's exported functions, without Emscripten's underscore. */
  readonly call: Calls;
}

export const fixture = (name: string): Promise<Buffer<ArrayBuffer>> => readFile(new URL(`fixtures/${name}`, import.meta.url)) as Promise<Buffer<ArrayBuffer>>;

/** The C guest, compiled by emcc or by clang. */
export async function loadC(compiler: "emcc" | "clang", runtime: Runtime, options: AttachOptions = {}): Promise<Loaded> {
  if (compiler === "clang") {
    const guest = await attach(runtime, await fixture("guest-clang.wasm"), options);
    return { runtime, guest, call: guest.exports as Calls };
  }
  const { default: factory } = await import(new URL("fixtures/guest-c.mjs", import.meta.url).href);
  const guest = await attach(runtime, factory, { ...options, module: { wasmBinary: await fixture("guest-c.wasm"), printErr() {}, ...options.module } });
  const call = new Proxy({}, { get: (_, name) => guest.exports[`_${String(name)}`] }) as Calls;
  return { runtime, guest, call };
}

/** What the guest has noted since the last call. */
export function takeTrace(call: Calls): number[] {
  const notes = Array.from({ length: call.trace_count!() }, (_, at) => call.trace_take!(at));
  call.trace_clear!();
  return notes;
}
