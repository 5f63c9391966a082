// The seam between a guest and its threads: binding.ts knows this only, so that a page whose guests have no
// threads does not carry them. provide.ts installs them.

import type { Runtime } from "../runtime.ts";
import type { GuestAccess } from "./access.ts";
import type { GuestThreadOptions } from "./attach.ts";
import type { Loops, LoopsAccess, LoopsHost } from "./loops.ts";

/** How a thread gets at the guest's code. */
export interface GuestSource {
  /** The module, or its bytes, compiled when they are needed. */
  readonly module: WebAssembly.Module | BufferSource | undefined;
  /** Absolute URL of Emscripten's ES module. */
  readonly script: string | undefined;
  /** Absolute URL of a module whose default export is, or returns, what a plain module imports beside `tokiwa`. */
  readonly imports: string | undefined;
}

/** What the threads of all instances of a guest share. */
export interface ThreadTickets {
  /** True: start one; false: there are too many. */
  take(): boolean | Promise<boolean>;
  give(count: number): void;
}

/** What threads need to know of the guest that starts them. */
export interface ThreadSetup {
  readonly source: GuestSource;
  readonly tickets: ThreadTickets;
  /** Spawned by tk_spawn_blocking() inside of such work, so many times. */
  readonly blockingDepth: number;
  readonly worker: (() => Worker) | undefined;
  readonly transport: "auto" | "shared" | "messages" | undefined;
}

/** A binding, as its threads see it. */
export interface ThreadHost {
  readonly runtime: Runtime;
  readonly name: string;
  readonly label: string;
  readonly isClosed: boolean;
  readonly access: GuestAccess;
  readonly stackBytes: number;
  readonly maxStacks: number;
  readonly threadSetup: ThreadSetup | undefined;
  wake(task: number): boolean;
}

export const THREAD_CALLS = [
  "tk_thread_new",
  "tk_thread_exec",
  "tk_thread_exec_poll",
  "tk_thread_exec_js",
  "tk_thread_terminate",
  "tk_thread_detach",
  "tk_spawn_blocking",
  "tk_job_start",
  "tk_job_result",
  "tk_job_length",
  "tk_job_take",
  "tk_job_abort",
  "tk_job_drop",
] as const;

/** The functions of `tokiwa-threads.h`, for one guest. */
export type GuestThreads = Record<(typeof THREAD_CALLS)[number], (...args: number[]) => number> & {
  /** Ends them all. */
  close(): void;
};

/** What attach() has learnt of where the guest's code comes from. */
export interface KnownSource {
  module?: WebAssembly.Module | BufferSource | undefined;
  script?: string | undefined;
}

export interface GuestThreadsProvider {
  open(host: ThreadHost): GuestThreads;
  /** The loops of a guest built with -pthread. */
  loops(access: LoopsAccess, host: LoopsHost): Loops;
  /** @throws {OptionError} */
  check(threads: GuestThreadOptions): void;
  /** For a guest that nobody's thread has started. */
  setup(threads: GuestThreadOptions, known: KnownSource): ThreadSetup;
}

let installed: GuestThreadsProvider | undefined;

export function installGuestThreads(provider: GuestThreadsProvider): void {
  installed = provider;
}

export function installedGuestThreads(): GuestThreadsProvider | undefined {
  return installed;
}
