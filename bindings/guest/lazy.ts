// What a worker of this package needs to serve guests, loaded when the first guest comes: it would cost every worker a fifth of its start.

import type { Suspend } from "../future.ts";
import { fromPromise } from "../task/promise.ts";
import { exposeFunctions } from "../workers/sendable.ts";
import type * as serving from "./serve.ts";
import { type JobOutcome, type JobRequest, RUN_JOB, START_GUEST, type StartRequest } from "./serve-wire.ts";
import { registerWakers } from "./waker.ts";

type Serve = typeof serving;

let serve: Serve | undefined;
let loading: Promise<Serve> | undefined;

async function load(): Promise<Serve> {
  const [{ provideGuestThreads }, loaded] = await Promise.all([import("./provide.ts"), import("./serve.ts")]);
  provideGuestThreads();                                   // a guest in here may have threads, too
  serve = loaded;
  return loaded;
}

/** Its jobs come right behind it, and must find that it has begun: one promise for all, whose reactions run in order. */
function startGuest(request: StartRequest): Promise<void> {
  return serve === undefined ? (loading ??= load()).then((loaded) => loaded.startGuest(request)) : serve.startGuest(request);
}

function* runJob(...request: JobRequest): Generator<Suspend, JobOutcome, unknown> {
  const { runJob: run } = serve ?? (yield* fromPromise((loading ??= load())));
  return yield* run(...request);
}

export function exposeGuestsLazily(): void {
  registerWakers();
  exposeFunctions({ [START_GUEST]: startGuest, [RUN_JOB]: runJob });
}
