// Every error this package throws on purpose.
//
// One class for each thing a caller can act on, each with a stable `code`. A message says
// what happened, with the values, then what to do. `name` is a getter on the prototype and
// not a field, so that printing an error shows only what belongs to it, and so that a
// bundler may drop the classes a program never uses.

/** Base of all errors of this package. `code` is stable; messages may change. */
export class TokiwaError extends Error {
  /** Stable identifier, `TOKIWA_...`. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** True for errors of another copy of this package, too (registry.ts): a class of its hierarchy has the same name. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    if (!(value instanceof Error) || !String((value as { code?: unknown }).code).startsWith("TOKIWA_")) return false;
    const { prototype } = this;
    if (!Object.hasOwn(prototype, "name")) return false;
    for (let up = Object.getPrototypeOf(value) as Error | null; up !== null; up = Object.getPrototypeOf(up) as Error | null) {
      if (Object.hasOwn(up, "name") && up.name === prototype.name) return true;
    }
    return false;
  }

  override get name(): string {
    return "TokiwaError";
  }
}

/** The call needs a runtime (or a task), or needs to be outside of one. */
export class ContextError extends TokiwaError {
  override get name(): string {
    return "ContextError";
  }
}

/** An option or argument has the wrong type or range. */
export class OptionError extends TokiwaError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("TOKIWA_BAD_OPTION", message, options);
  }

  override get name(): string {
    return "OptionError";
  }
}

/** A task ended without a result of its own: it was cancelled, or its worker died. */
export class JoinError extends TokiwaError {
  override get name(): string {
    return "JoinError";
  }

  /** True when the task was cancelled, by `abort()` or by the shutdown of its runtime. */
  get isCancelled(): boolean {
    return this.code === "TOKIWA_CANCELLED" || this.code === "TOKIWA_SHUT_DOWN";
  }
}

/**
 * Makes an error without a list of frames: in a drive they would name this package only, and collecting them is
 * nine tenths of the cost of an abort.
 */
export function withoutFrames<E extends Error>(make: () => E): E {
  const { stackTraceLimit } = Error as { stackTraceLimit?: number };
  const isWritable = typeof stackTraceLimit === "number" && Reflect.set(Error, "stackTraceLimit", 0);
  try {
    return make();
  } finally {
    if (isWritable) Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}

/** The time given to `timeout()` ran out first. */
export class TimeoutError extends TokiwaError {
  constructor(message = "deadline has elapsed") {
    super("TOKIWA_ELAPSED", message);
  }

  override get name(): string {
    return "TimeoutError";
  }
}

/** `blockOn()` cannot wait here without taking the thread from the host. */
export class WouldBlockError extends TokiwaError {
  constructor(message: string) {
    super("TOKIWA_WOULD_BLOCK", message);
  }

  override get name(): string {
    return "WouldBlockError";
  }
}

/** Nothing can ever wake the program again. `tasks` says who waits for what. */
export class DeadlockError extends TokiwaError {
  /** One line for each task that is stuck. */
  readonly tasks: readonly string[];

  constructor(message: string, tasks: readonly string[]) {
    super("TOKIWA_DEADLOCK", message);
    this.tasks = tasks;
  }

  override get name(): string {
    return "DeadlockError";
  }
}

/** A message could not be sent because nobody can receive it any more. It is in `value`. */
export class SendError<T = unknown> extends TokiwaError {
  /** The message that was not sent. */
  readonly value: T;

  constructor(value: T, message = "channel closed", code = "TOKIWA_CLOSED") {
    super(code, message);
    this.value = value;
  }

  override get name(): string {
    return "SendError";
  }
}

/** The time given to `sendTimeout()` ran out first. The message is in `value`, and was not sent. */
export class SendTimeoutError<T = unknown> extends TimeoutError {
  /** The message that was not sent. */
  readonly value: T;

  constructor(value: T) {
    super("the channel stayed full until the deadline");
    this.value = value;
  }
}

/** `trySend()` found the channel full (`TOKIWA_FULL`) or closed (`TOKIWA_CLOSED`). */
export class TrySendError<T = unknown> extends SendError<T> {
  override get name(): string {
    return "TrySendError";
  }
}

/** Nothing can be received any more: every sender is gone. */
export class RecvError extends TokiwaError {
  constructor(message = "channel closed", code = "TOKIWA_CLOSED") {
    super(code, message);
  }

  override get name(): string {
    return "RecvError";
  }
}

/** `tryRecv()` found nothing (`TOKIWA_EMPTY`), or the channel closed (`TOKIWA_CLOSED`). */
export class TryRecvError extends RecvError {
  override get name(): string {
    return "TryRecvError";
  }
}

/** A broadcast receiver was too slow: `skipped` messages were overwritten. */
export class LaggedError extends RecvError {
  /** How many messages were lost to this receiver. */
  readonly skipped: number;

  constructor(skipped: number) {
    super(`channel lagged by ${skipped}`, "TOKIWA_LAGGED");
    this.skipped = skipped;
  }

  override get name(): string {
    return "LaggedError";
  }
}

/** `tryLock()` and its like found the lock taken. */
export class TryLockError extends TokiwaError {
  constructor(message = "operation would block") {
    super("TOKIWA_LOCKED", message);
  }

  override get name(): string {
    return "TryLockError";
  }
}

/** The semaphore was closed. */
export class AcquireError extends TokiwaError {
  constructor(message = "semaphore closed") {
    super("TOKIWA_CLOSED", message);
  }

  override get name(): string {
    return "AcquireError";
  }
}

/** `tryAcquire()` found no permits (`TOKIWA_NO_PERMITS`), or the semaphore closed. */
export class TryAcquireError extends TokiwaError {
  override get name(): string {
    return "TryAcquireError";
  }
}

/** A cell that can be set once was set already, or is being initialised. */
export class SetError<T = unknown> extends TokiwaError {
  /** The value that was not stored. */
  readonly value: T;

  constructor(code: string, message: string, value: T) {
    super(code, message);
    this.value = value;
  }

  override get name(): string {
    return "SetError";
  }
}
