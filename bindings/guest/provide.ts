// Lets guests have threads, and workers serve them.

import { listen } from "../workers/listen.ts";
import { provideThreads } from "../workers/provider.ts";
import { exposeFunctions } from "../workers/sendable.ts";
import { Loops } from "./loops.ts";
import { installGuestThreads } from "./seam.ts";
import { runJob, startGuest } from "./serve.ts";
import { RUN_JOB, START_GUEST } from "./serve-wire.ts";
import { checkThreadOptions, threadSetupOf } from "./thread-options.ts";
import { Threads } from "./threads.ts";
import { registerWakers } from "./waker.ts";

/**
 * Lets guests have threads (`tokiwa-threads.h`, `thread` of the Rust crate, `-pthread`) in a program that a bundler has made; elsewhere importing
 * `tokiwa/guest` does it. Harmless when it was done.
 */
export function provideGuestThreads(): void {
  provideThreads();
  registerWakers();
  installGuestThreads({ open: (host) => new Threads(host).calls(), loops: (access, host) => new Loops(access, host), check: checkThreadOptions, setup: threadSetupOf });
}

/**
 * Serves threads of guests, in the entry of a worker that the consumer's own bundler has made: see `attach()`'s `threads.worker`.
 *
 * @example
 * // worker.js
 * import { serveGuests } from "tokiwa/guest";
 * serveGuests();
 */
export function serveGuests(): void {
  provideGuestThreads();
  exposeFunctions({ [START_GUEST]: startGuest, [RUN_JOB]: runJob });
  listen();
}
