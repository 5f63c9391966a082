// Types of the host that not every project has: a program for Node without the library "dom" knows no `Worker`.
//
// Only the published declarations use these names (scripts/build.mjs imports them where they occur), so that a consumer
// who checks libraries sees no error. Where the host's own type is known, it is that type.

type Instance<Name extends string> = typeof globalThis extends Record<Name, { prototype: infer T }> ? T : object;
type WasmInstance<Name extends string> = typeof globalThis extends { WebAssembly: Record<Name, { prototype: infer T }> } ? T : object;
type TransferList = typeof globalThis extends { structuredClone(value: never, options?: infer O): unknown } ? NonNullable<O> : never;

export type Worker = Instance<"Worker">;
export type MessagePort = Instance<"MessagePort">;
export type Transferable = TransferList extends { transfer?: (infer T)[] | undefined } ? T : object;
export type BufferSource = ArrayBuffer | ArrayBufferView;

export declare namespace WebAssembly {
  type Instance = WasmInstance<"Instance">;
  type Memory = WasmInstance<"Memory">;
  type Module = WasmInstance<"Module">;
  type Table = WasmInstance<"Table">;
  type ImportValue = CallableFunction;
  type Imports = Record<string, Record<string, ImportValue | Memory | Table | number>>;
}
