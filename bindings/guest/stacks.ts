// Stackful tasks: ordinary blocking code, each on a C stack of its own, suspended by JSPI (or Asyncify, asyncify.ts).
//
// A stack comes from the guest's allocator, ends with a few known words (a task that ran past its end is found
// by them when it ends) and is used again. The stack pointer is kept by guest-interface.ts.
//
//   NEW --first poll--> RUNNING --tk_sleep and others--> SUSPENDED --a wake, polled--> RUNNING ... --> ENDED
//
// A wake while it runs is remembered. Resuming happens in a microtask after the drive, as with
// async functions. An abort settles the task at once; the code is resumed, every blocking call
// returns TK_ECANCELED from then on, and the stack is free when it has returned.

import { TokiwaError } from "../errors.ts";
import { Operation, PENDING, type Waker } from "../future.ts";
import { monotonicNow } from "../host.ts";
import type { GuestAccess } from "./access.ts";
import { TK_ECANCELED, TK_ETRAP } from "./codes.ts";

/** Suspended stacks there may be: at about 32 000 the process dies, and nothing can catch that. */
export const STACKS_MAX = 8192;
export const STACK_BYTES = 65536;
export const STACK_BYTES_MIN = 1024;
export const STACK_BYTES_MAX = 1 << 26;
const CANARY = 0x7a1b2c3d;
const CANARY_WORDS = 8;
/** What a stack pointer must be a multiple of. */
const ALIGNMENT = 16;

/** What a yield waits for when nothing else is ready. */
export const HOP: Promise<number> = /* @__PURE__ */ Promise.resolve(0);
/** So long; then one goes through the scheduler, which knows when the host is to have its turn. */
const HOPS_MS = 0.5;
/** The clock is read after so many, and if they took longer than this, the next goes through the scheduler. */
const HOPS_UNREAD = 8;
const QUICK_MS = 0.16;

/** Whether a yield may do without the scheduler. By time: one in 32 through the scheduler cost a quarter of all yields. */
export class Hops {
  #unread = 0;
  #readAt = 0;
  #since = 0;

  mayHop(): boolean {
    if (this.#unread > 0) {
      this.#unread--;
      return true;
    }
    const now = monotonicNow();
    const wereQuick = now - this.#readAt < QUICK_MS;
    this.#readAt = now;
    if (!wereQuick || now - this.#since > HOPS_MS) {
      this.#since = now;
      return false;
    }
    this.#unread = HOPS_UNREAD - 1;
    return true;
  }
}

export class StackPool {
  readonly bytes: number;
  readonly limit: number;
  /** Stacks in use, and promised to tasks that wait for their first poll. */
  used = 0;
  readonly #access: GuestAccess;
  readonly #isStackless: boolean;
  readonly #free: number[] = [];
  #view: Uint32Array | undefined;

  /** @param isStackless the guest keeps no stack in its memory: nothing to switch, nothing to allocate */
  constructor(access: GuestAccess, bytes: number, limit: number, isStackless: boolean) {
    this.#access = access;
    this.#isStackless = isStackless;
    this.bytes = bytes;
    this.limit = limit;
  }

  /** Why no stack can be had, or undefined. */
  get refusal(): string | undefined {
    if (this.#isStackless) return undefined;
    if (this.#access.stack === undefined) return "it does not export its stack pointer: link it with --export=__stack_pointer";
    if (this.#access.allocate === undefined) return "it exports no allocator: link it with --export=malloc";
    return undefined;
  }

  /** @returns the address of a stack's end, or 0: the guest has no memory */
  take(): number {
    if (this.#isStackless) return this.bytes;
    const old = this.#free.pop();
    if (old === undefined) {
      const start = this.#access.allocate?.(this.bytes) ?? 0;
      if (start === 0) return 0;
      const top = (start + this.bytes) & -ALIGNMENT;
      this.#mark(top);
      return top;
    }
    return old;
  }

  #lowest(top: number): number {
    return (top - this.bytes + 2 * ALIGNMENT) >>> 2;
  }

  #words(): Uint32Array | undefined {
    const memory = this.#access.memory;
    if (memory !== undefined && this.#view?.buffer !== memory.buffer) this.#view = new Uint32Array(memory.buffer);
    return this.#view;
  }

  #mark(top: number): void {
    const low = this.#lowest(top);
    this.#words()?.fill(CANARY, low, low + CANARY_WORDS);
  }

  /** @returns whether the task stayed within its stack; the stack is not used again if not */
  give(top: number): boolean {
    if (this.#isStackless) return true;
    const words = this.#words();
    const low = this.#lowest(top);
    if (words?.subarray(low, low + CANARY_WORDS).some((word) => word !== CANARY)) return false;
    this.#free.push(top);
    return true;
  }
}

/** What a stack task needs of its guest. */
export interface StackHost {
  readonly label: string;
  readonly pool: StackPool;
  /** Calls the function in a promising frame. */
  enterStack(body: StackBody): Promise<number>;
  /** The code has returned or trapped, and nothing runs on that stack; or it will never run. */
  left(body: StackBody): void;
}

export class StackBody extends Operation<number> {
  /** Its place in the guest's table; a function only where that is called from JavaScript (asyncify.ts). */
  readonly fn: number | ((...args: number[]) => number);
  readonly args: readonly number[];
  /** The task's handle, also after its end. */
  handle = -1;
  top = 0;
  isCancelled = false;
  hasEnded = false;
  /** Told the result when the code has returned: a trap counts as TK_ETRAP. */
  onEnd: ((result: number) => void) | undefined;
  readonly #host: StackHost;
  #isStarted = false;
  #isWoken = false;
  #resume: ((result: number) => void) | undefined;
  #waker: Waker | undefined;
  #result = 0;
  #error: unknown;
  #hasFailed = false;

  constructor(host: StackHost, fn: StackBody["fn"], args: readonly number[]) {
    super();
    this.#host = host;
    host.pool.used++;
    this.fn = fn;
    this.args = args;
  }

  poll(waker: Waker): number | typeof PENDING {
    this.#waker = waker;
    if (!this.#isStarted) this.#start();
    else if (this.#resume !== undefined) this.#continue(0);
    else this.#isWoken = true;
    if (!this.hasEnded) return PENDING;
    if (this.#hasFailed) throw this.#error;
    return this.#result;
  }

  #start(): void {
    this.#isStarted = true;
    const { pool } = this.#host;
    this.top = pool.take();
    if (this.top === 0) {
      this.#host.left(this);
      this.#end(new TokiwaError("TOKIWA_OUT_OF_MEMORY", `${this.#host.label} has no memory for another stack of ${pool.bytes} bytes. Give it more memory, or smaller stacks (stackBytes).`));
      return;
    }
    this.#host.enterStack(this).then(
      (result) => {
        this.#result = result;
        this.#leave(undefined);
      },
      (error: unknown) => this.#leave(error),
    );
  }

  #leave(error: unknown): void {
    const { pool, label } = this.#host;
    const isIntact = pool.give(this.top);
    this.#host.left(this);
    if (error !== undefined) this.#end(error);
    else if (!isIntact) this.#end(new TokiwaError("TOKIWA_STACK_OVERFLOW", `a task of ${label} used more than its stack of ${pool.bytes} bytes, and has overwritten what lies below. Give it a larger one (stackBytes).`));
    else this.hasEnded = true;
    this.onEnd?.(this.#hasFailed ? TK_ETRAP : this.#result);
    this.#waker?.wake();
  }

  #end(error: unknown): void {
    this.#error = error;
    this.#hasFailed = true;
    this.hasEnded = true;
  }

  /** From inside the suspending import. @returns what it returns, at once or later */
  suspend(): number | Promise<number> {
    if (this.isCancelled) return TK_ECANCELED;
    if (this.#isWoken) {
      this.#isWoken = false;
      return 0;
    }
    return new Promise((resolve) => (this.#resume = resolve));
  }

  #continue(result: number): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.(result);
  }

  override [Symbol.dispose](): void {
    this.isCancelled = true;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#host.left(this);
      this.onEnd?.(TK_ECANCELED);
    }
    this.#waker = undefined;
    this.#continue(TK_ECANCELED);
  }

  override describe(): string {
    return `blocking code of ${this.#host.label}`;
  }
}
