// tokiwa/guest: Wasm modules whose tasks run on a runtime. Public names only.

export { attach, type AttachOptions, type EmscriptenFactory, type EmscriptenModule, type Guest, guestImports, type GuestThreadOptions } from "./attach.ts";
export type { EmscriptenAccess, EmscriptenThreads } from "./access.ts";
export type { LoopCalls, LoopsAccess } from "./loops.ts";
export type { GuestImports } from "./binding.ts";
export { type GuestIo, guestIo, type GuestIoOptions, type GuestStream } from "./io.ts";
export { asyncify, type AsyncifySupport } from "./asyncify.ts";
export { provideGuestThreads, serveGuests } from "./provide.ts";
export type { GuestWaker } from "./waker.ts";
