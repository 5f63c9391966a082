// How a guest's stack pointer, table and memory are reached, whoever compiled it.

import { OptionError } from "../errors.ts";

/** What the runtime needs of a guest. */
export interface GuestAccess {
  readonly table: WebAssembly.Table;
  readonly memory: WebAssembly.Memory | undefined;
  /** Wasm functions that read and write the stack pointer; undefined when the guest does not tell. */
  readonly stack: StackAccess | undefined;
  /** The guest's own allocator, for C stacks. */
  readonly allocate: ((bytes: number) => number) | undefined;
  /** Takes back what `allocate` gave; guests without threads do not have it. */
  readonly free: ((pointer: number, bytes: number) => void) | undefined;
  exported(name: string): unknown;
}

export interface StackAccess {
  readonly get: () => number;
  readonly set: (pointer: number) => void;
}

/** What `tokiwa-threads-lib.js` hands over, of modules that use threads. */
export interface EmscriptenThreads {
  /** Where Emscripten's script was loaded from, if that can be known. */
  readonly script: string | undefined;
  /** The module's bytes, if the factory was given them. */
  readonly binary: BufferSource | undefined;
  free(pointer: number, bytes: number): void;
}

/** What `tokiwa-lib.js` hands over from inside of Emscripten's closure. */
export interface EmscriptenAccess {
  table(): WebAssembly.Table;
  memory(): WebAssembly.Memory;
  exports(): Record<string, unknown>;
  stackSave(): number;
  stackRestore(pointer: number): void;
  malloc(bytes: number): number;
}

// (module (type (func (result i32))) (type (func (param i32))) ... two functions, "g" and "s")
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 9, 2, 96, 0, 1, 127, 96, 1, 127, 0];
const EXPORTS = [7, 9, 2, 1, 103, 0, 0, 1, 115, 0, 1];
/** Over a mutable global "e" "s". */
const OVER_GLOBAL = [...HEAD, 2, 8, 1, 1, 101, 1, 115, 3, 127, 1, 3, 3, 2, 0, 1, ...EXPORTS, 10, 13, 2, 4, 0, 35, 0, 11, 6, 0, 32, 0, 36, 0, 11];
/** Imported functions "e" "g" and "e" "s", exported again: JavaScript functions become ones a table takes. */
const OVER_FUNCTIONS = [...HEAD, 2, 13, 2, 1, 101, 1, 103, 0, 0, 1, 101, 1, 115, 0, 1, ...EXPORTS];

function stackAccess(code: number[], imports: WebAssembly.ModuleImports): StackAccess {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(code)), { e: imports });
  return { get: exports["g"] as () => number, set: exports["s"] as (pointer: number) => void };
}

function fn<F>(value: unknown): F | undefined {
  return typeof value === "function" ? (value as F) : undefined;
}

/** A table that is exported under any of the usual names. */
function findTable(exports: Record<string, unknown>): WebAssembly.Table | undefined {
  for (const value of [exports["__indirect_function_table"], exports["table"], ...Object.values(exports)]) {
    if (value instanceof WebAssembly.Table) return value;
  }
  return undefined;
}

export function accessOfInstance(name: string, exports: Record<string, unknown>): GuestAccess {
  const table = findTable(exports);
  if (table === undefined) {
    throw new OptionError(`the guest ${name} must export its table, so that its functions can be called: link it with --export-table (Rust: -C link-arg=--export-table, AssemblyScript: --exportTable)`);
  }
  const pointer = exports["__stack_pointer"];
  const memory = exports["memory"];
  return {
    table,
    memory: memory instanceof WebAssembly.Memory ? memory : undefined,
    stack: pointer instanceof WebAssembly.Global ? stackAccess(OVER_GLOBAL, { s: pointer }) : undefined,
    allocate: fn(exports["tk_alloc"]) ?? fn(exports["malloc"]),
    free: fn(exports["tk_free"]),
    exported: (key) => exports[key],
  };
}

export function accessOfEmscripten(module: EmscriptenAccess, threads: EmscriptenThreads | undefined): GuestAccess {
  return {
    table: module.table(),
    memory: module.memory(),
    stack: stackAccess(OVER_FUNCTIONS, { g: () => module.stackSave(), s: (pointer: number) => module.stackRestore(pointer) }),
    allocate: (bytes) => module.malloc(bytes),
    free: threads?.free,
    exported: (key) => module.exports()[key],
  };
}
