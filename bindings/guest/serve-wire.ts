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

export interface JobRequest {
  readonly key: string;
  /** A tk_call_fn or a tk_call_poll_fn. */
  readonly kind: "call" | "poll";
  readonly fn: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where any worker may get the job: the guest, should it not be there. */
  readonly start: StartRequest | undefined;
}

export interface JobOutcome {
  readonly tokiwa: "outcome";
  readonly result: number;
  readonly bytes: Uint8Array | undefined;
}
