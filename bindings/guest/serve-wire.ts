// What goes between a guest and its threads. Plain data: it is cloned.

/** Names of the worker's own functions; a guest cannot reach them. */
export const START_GUEST = "tokiwa:guest-start";
export const RUN_JOB = "tokiwa:guest-job";

/** Instantiates a guest in the worker. */
export interface StartRequest {
  readonly key: string;
  readonly name: string;
  readonly module: WebAssembly.Module | BufferSource | undefined;
  readonly script: string | undefined;
  readonly imports: string | undefined;
  /** The port to ask for threads, or how many it may have without asking. */
  readonly tickets: MessagePort | number;
  readonly blockingDepth: number;
  readonly stackBytes: number;
  readonly maxStacks: number;
  readonly transport: "auto" | "shared" | "messages" | undefined;
}

/**
 * Arguments of a job: the guest's key, whether `fn` is a tk_call_fn or a tk_call_poll_fn, the function, the bytes if there are any, and,
 * where any worker may get the job, the guest itself, should it not be there.
 */
export type JobRequest = [key: string, kind: "call" | "poll", fn: number, bytes: Uint8Array<ArrayBuffer> | undefined, start: StartRequest | undefined];

/** What came of it: the number alone when there are no bytes. */
export type JobOutcome = number | { readonly result: number; readonly bytes: Uint8Array };
