// The compiled guests of test/guests/fixtures, on a runtime.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Runtime } from "tokiwa";
import { attach, type AttachOptions, type EmscriptenFactory, type EmscriptenModule, type Guest } from "tokiwa/guest";

export type Call = (...args: number[]) => number;
export type Calls = Record<string, Call>;
export interface Loaded {
  readonly runtime: Runtime;
  readonly guest: Guest;
  /** The guest's exported functions, without Emscripten's underscore. */
  readonly call: Calls;
}

export const fixture = (name: string): Promise<Buffer<ArrayBuffer>> => readFile(new URL(`fixtures/${name}`, import.meta.url)) as Promise<Buffer<ArrayBuffer>>;

const FILES = { guest: { emcc: "guest-c", clang: "guest-clang" }, io: { emcc: "guest-io", clang: "guest-io-clang" }, asyncify: { emcc: "guest-asyncify", clang: "guest-asyncify-clang" }, threads: { emcc: "guest-threads", clang: "guest-threads-clang" } };

/** A C guest of test/guests/c, compiled by emcc or by clang. */
export async function loadC(compiler: "emcc" | "clang", runtime: Runtime, options: AttachOptions = {}, program: keyof typeof FILES = "guest"): Promise<Loaded> {
  const file = FILES[program][compiler];
  if (compiler === "clang") {
    const guest = await attach(runtime, await fixture(`${file}.wasm`), options);
    return { runtime, guest, call: guest.exports as Calls };
  }
  const { default: factory } = await import(new URL(`fixtures/${file}.mjs`, import.meta.url).href);
  return loadFactory(runtime, factory, file, options);
}

async function loadFactory(runtime: Runtime, factory: EmscriptenFactory, file: string, options: AttachOptions): Promise<Loaded> {
  const guest = await attach(runtime, factory, { ...options, module: { wasmBinary: await fixture(`${file}.wasm`), printErr() {}, ...options.module } });
  const call = new Proxy({}, { get: (_, name) => guest.exports[`_${String(name)}`] }) as Calls;
  return { runtime, guest, call };
}

export interface LoadedLoops extends Loaded {
  /** Shuts the runtime down, and ends the workers that Emscripten keeps for later threads. */
  readonly end: () => Promise<void>;
}

/** One source of loops, built with -pthread (a script) and without (a module). */
export async function loadLoops(file: string, runtime = new Runtime({ unhandledFailure: "ignore" })): Promise<LoadedLoops> {
  const at = new URL(`fixtures/${file}`, import.meta.url);
  const factory = isThreaded(file) ? (createRequire(import.meta.url)(fileURLToPath(at)) as EmscriptenFactory) : ((await import(at.href)) as { default: EmscriptenFactory }).default;
  const loaded = await loadFactory(runtime, factory, file.replace(/\.m?js$/, ""), {});
  const workers = (loaded.guest.exports as EmscriptenModule)["PThread"] as { terminateAllThreads(): void; unusedWorkers: { terminate(): void }[] } | undefined;
  return {
    ...loaded,
    end: async () => {
      await runtime.shutdown();
      workers?.terminateAllThreads();
      for (const worker of workers?.unusedWorkers ?? []) worker.terminate();
    },
  };
}

/** The same with a loop that three threads run, or the only one. */
export async function startLoop(file: string): Promise<LoadedLoops & { readonly loop: number }> {
  const made = await loadLoops(file);
  const loop = made.call.loop_new!();
  made.call.loop_start!(loop, 3);
  await until(() => made.call.loop_runners!(loop) === (isThreaded(file) ? 3 : 1));
  return { ...made, loop };
}

const isThreaded = (file: string): boolean => file.endsWith(".js");

/** Waits for what other threads do. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 2));
}

/** What the guest has noted since the last call. */
export function takeTrace(call: Calls): number[] {
  const notes = Array.from({ length: call.trace_count!() }, (_, at) => call.trace_take!(at));
  call.trace_clear!();
  return notes;
}
