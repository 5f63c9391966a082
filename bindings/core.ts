// The Wasm core as TypeScript sees it: one instance and one memory for a thread, several
// arenas (one for each scheduler) in it.
//
// Views of the memory are replaced when it grows. Only the calls named *Grow, arenaNew and
// timerInsert grow it, so nothing else has to look: those go through Core, which refreshes.

import { CORE_LOCAL } from "./generated/core-bytes.ts";
import { TokiwaError } from "./errors.ts";
import { mayPostModules } from "./host.ts";

/** The exports of the core, see assembly/index.ts. */
export interface CoreExports {
  heapInit(base: number): void;
  arenaNew(capacity: number): number;
  arenaFree(arena: number): void;
  unitsGrow(arena: number): number;
  unitNew(arena: number): number;
  spawn(arena: number): number;
  unitFree(arena: number, handle: number): void;
  wake(arena: number, handle: number): number;
  defer(arena: number, handle: number): number;
  isLive(arena: number, handle: number): number;
  turn(arena: number, polled: number, max: number): number;
  look(arena: number, nowMs: number): number;
  ready(arena: number): number;
  timersGrow(arena: number): number;
  timerInsert(arena: number, tick: number, handle: number): number;
  timerCancel(arena: number, timer: number): void;
  timerTarget(arena: number, timer: number, handle: number): void;
  timerNext(arena: number): number;
  wakeRemote(arena: number, handle: number): number;
  pages(): number;
  guestNew(arena: number, fn: number, arg: number, flags: number): number;
  guestFailed(arena: number): number;
  readonly table: WebAssembly.Table;
}

/**
 * First byte of the memory that the core formats. What is below is never touched, and so costs no memory.
 *
 * Hosts put every Wasm memory at a multiple of 4 GiB, and processors find a line of their first cache by the lower bits of its
 * address: what lies at one offset in two memories pushes each other out (Zen), or is taken for the same place (everywhere, by the
 * lowest 12 bits). A guest has its statics, its stack and its first objects in the first 100 KiB of its memory, or around 1 MiB
 * (Rust). With the core's tables at 1024, a poll of a C task took 15 ns instead of 9, and 20 in some processes.
 */
export const HEAP_BASE = 0xc0400;
/** 4 GiB in 64 KiB pages: what 32-bit addresses reach. */
const MAXIMUM_PAGES = 65536;
const INITIAL_PAGES = 14;

export class Core {
  readonly exports: CoreExports;
  readonly memory: WebAssembly.Memory;
  i32: Int32Array;
  f64: Float64Array;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    this.memory = memory;
    this.exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as CoreExports;
    this.i32 = new Int32Array(memory.buffer);
    this.f64 = new Float64Array(memory.buffer);
  }

  /** Takes new views after the memory may have grown. */
  refresh(): void {
    if (this.i32.buffer === this.memory.buffer) return;
    this.i32 = new Int32Array(this.memory.buffer);
    this.f64 = new Float64Array(this.memory.buffer);
  }

  arenaNew(capacity: number): number {
    const arena = this.exports.arenaNew(capacity);
    this.refresh();
    if (arena === 0) throw outOfMemory("a runtime");
    return arena;
  }

  unitsGrow(arena: number): void {
    const grown = this.exports.unitsGrow(arena);
    this.refresh();
    if (grown === 0) throw outOfMemory("another task");
  }

  /** Registers a timer, growing the table at need. */
  timerInsert(arena: number, tick: number, handle: number): number {
    let timer = this.exports.timerInsert(arena, tick, handle);
    if (timer < 0) {
      const grown = this.exports.timersGrow(arena);
      this.refresh();
      if (grown === 0) throw outOfMemory("another timer");
      timer = this.exports.timerInsert(arena, tick, handle);
      this.refresh();
      if (timer < 0) throw outOfMemory("another timer");
    }
    return timer;
  }
}

function outOfMemory(what: string): TokiwaError {
  return new TokiwaError(
    "TOKIWA_OUT_OF_MEMORY",
    `the core's memory cannot grow to hold ${what}. What runs already is not affected; wait for tasks to end, or use more runtimes.`,
  );
}

/** The bytes of a module from the text that scripts/build-core.mjs has made of them: a `}` or `~` adds 89 or 178 to the next one. */
export function unpack(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  let above = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 124) above = (code - 124) * 89;
    else {
      bytes[length++] = above + code - (code < 92 ? 35 : 36);
      above = 0;
    }
  }
  return bytes.subarray(0, length);
}

/** Compiles a packed core, saying what to do where the page's policy forbids that. */
export function compileCore(text: string): WebAssembly.Module {
  try {
    return new WebAssembly.Module(unpack(text));
  } catch (cause) {
    throw new TokiwaError(
      "TOKIWA_WASM_BLOCKED",
      `the WebAssembly core cannot be compiled: ${(cause as Error).message}. If a Content-Security-Policy forbids it, add 'wasm-unsafe-eval' to script-src.`,
      { cause },
    );
  }
}

let local: Core | undefined;
let compiled: WebAssembly.Module | undefined;

/** The module of this thread's core, if it has one, for its workers: to unpack and compile it costs each of them a millisecond. */
export function compiledCore(): WebAssembly.Module | undefined {
  return mayPostModules ? compiled : undefined;
}
export function inheritCore(module: WebAssembly.Module | undefined): void {
  compiled = module;
}

/** This thread's core on unshared memory, compiled at the first use. */
export function localCore(): Core {
  if (local === undefined) {
    const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES });
    const core = new Core((compiled ??= compileCore(CORE_LOCAL)), memory);
    core.exports.heapInit(HEAP_BASE);
    core.refresh();
    local = core;
  }
  return local;
}
