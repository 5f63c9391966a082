// Buffered writing: many small writes become few large ones.
//
// #buffer holds bytes from #start to #end that the inner writer has not taken. At most one write of it is
// under way, and it belongs to the operation that waits: dropping that takes nothing twice, because a write that
// is dropped while pending has written nothing.

import { ContextError, OptionError, TokiwaError } from "../errors.ts";
import { type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { checkInteger, show } from "../options.ts";
import { operand } from "../task/promise.ts";
import { checkBytes } from "./address.ts";
import { closedError, type Writer } from "./io.ts";

const DEFAULT_CAPACITY = 8192;
const MAX_CAPACITY = 1 << 30;

export function checkWriter(writer: unknown): Writer {
  if (typeof (writer as Writer | null | undefined)?.write !== "function") throw new OptionError(`writer must have a write() method, got ${show(writer)}`);
  return writer as Writer;
}

/** A writer took nothing of what it was given. */
export function wroteNothing(): TokiwaError {
  return new TokiwaError("TOKIWA_WRITE_ZERO", "the writer took 0 bytes: it can take no more");
}

/**
 * Collects writes. What is still in the buffer when it is dropped is lost: `flush()` or `shutdown()` it.
 *
 * @example
 * const writer = new BufWriter(stream);
 * for (const row of rows) await writer.writeAll(encode(row));
 * await writer.flush();
 */
export class BufWriter implements Writer {
  readonly #writer: Writer;
  readonly #buffer: Uint8Array;
  #start = 0;
  #end = 0;
  #isShut = false;
  #inner: Future<unknown> | undefined;
  #innerOwner: object | undefined;

  /** @param capacity bytes that are collected, default 8192 */
  constructor(writer: Writer, capacity?: number) {
    this.#writer = checkWriter(writer);
    this.#buffer = new Uint8Array(capacity === undefined ? DEFAULT_CAPACITY : checkInteger("capacity", capacity, 1, MAX_CAPACITY));
  }

  /** Takes bytes, writing out what was collected when they do not fit. How many were taken. Cancel safe. */
  write(bytes: Uint8Array): Future<number> {
    return new BufWrite(this, checkBytes(bytes), false);
  }

  /** Takes all bytes. Not cancel safe: some of them may have been taken. */
  writeAll(bytes: Uint8Array): Future<void> {
    return new BufWrite(this, checkBytes(bytes), true) as Future<unknown> as Future<void>;
  }

  /** Writes out what was collected, and flushes the inner writer. Cancel safe. */
  flush(): Future<void> {
    return new BufEnd(this, false);
  }

  /** As `flush()`, then ends the inner writer. */
  shutdown(): Future<void> {
    return new BufEnd(this, true);
  }

  /** Bytes collected and not written out. */
  get length(): number {
    return this.#end - this.#start;
  }

  // ---- for the operations

  /** @internal Takes bytes from `at` on: how many, or PENDING. */
  accept(owner: object, bytes: Uint8Array, at: number, waker: Waker): number | typeof PENDING {
    if (this.#isShut) throw closedError("cannot write: the writer was shut down");
    const count = bytes.length - at;
    if (count === 0) return 0;
    if (this.#end + count > this.#buffer.length || this.#inner !== undefined) {
      if (!this.drain(owner, waker)) return PENDING;
      if (count >= this.#buffer.length) return this.#call(owner, () => this.#writer.write(bytes.subarray(at)), waker) as number | typeof PENDING;
    }
    this.#buffer.set(at === 0 ? bytes : bytes.subarray(at), this.#end);
    this.#end += count;
    return count;
  }

  /** @internal Writes out what was collected. False when it has to wait. */
  drain(owner: object, waker: Waker): boolean {
    while (this.#start < this.#end) {
      const count = this.#call(owner, () => this.#writer.write(this.#buffer.subarray(this.#start, this.#end)), waker);
      if (count === PENDING) return false;
      if (count === 0) throw wroteNothing();
      this.#start += count as number;
    }
    this.#start = this.#end = 0;
    return true;
  }

  /** @internal Flushes or ends the inner writer. False when it has to wait. */
  end(owner: object, isShutdown: boolean, waker: Waker): boolean {
    if (isShutdown) this.#isShut = true;
    const writer = this.#writer;
    const start = isShutdown ? writer.shutdown?.bind(writer) : writer.flush?.bind(writer);
    return start === undefined || this.#call(owner, start, waker) !== PENDING;
  }

  #call(owner: object, start: () => Future<unknown>, waker: Waker): unknown {
    if (this.#inner === undefined) {
      this.#inner = operand("writer's result", start());
      this.#innerOwner = owner;
    } else if (this.#innerOwner !== owner) {
      throw new ContextError("TOKIWA_BUSY", "another write is pending on this BufWriter: wait for it, or drop it, first");
    }
    let result: unknown;
    try {
      result = this.#inner.poll(waker);
    } catch (error) {
      this.#inner = this.#innerOwner = undefined;
      throw error;
    }
    if (result !== PENDING) this.#inner = this.#innerOwner = undefined;
    return result;
  }

  /** @internal The operation was dropped. */
  abandon(owner: object): void {
    if (this.#innerOwner !== owner) return;
    this.#inner?.[Symbol.dispose]();
    this.#inner = this.#innerOwner = undefined;
  }
}

class BufWrite extends Operation<number> {
  readonly #target: BufWriter;
  readonly #bytes: Uint8Array;
  readonly #isAll: boolean;
  #at = 0;

  constructor(target: BufWriter, bytes: Uint8Array, isAll: boolean) {
    super();
    this.#target = target;
    this.#bytes = bytes;
    this.#isAll = isAll;
  }

  poll(waker: Waker): number | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    do {
      const count = this.#target.accept(this, this.#bytes, this.#at, waker);
      if (count === PENDING) {
        restore();
        return PENDING;
      }
      if (count === 0 && this.#bytes.length > this.#at) throw wroteNothing();
      this.#at += count;
    } while (this.#isAll && this.#at < this.#bytes.length);
    return this.#isAll ? (undefined as unknown as number) : this.#at;
  }

  override [Symbol.dispose](): void {
    this.#target.abandon(this);
  }

  override describe(): string {
    return "room to write";
  }
}

class BufEnd extends Operation<void> {
  readonly #target: BufWriter;
  readonly #isShutdown: boolean;
  #isDrained = false;

  constructor(target: BufWriter, isShutdown: boolean) {
    super();
    this.#target = target;
    this.#isShutdown = isShutdown;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    this.#isDrained ||= this.#target.drain(this, waker);
    if (this.#isDrained && this.#target.end(this, this.#isShutdown, waker)) return undefined;
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#target.abandon(this);
  }

  override describe(): string {
    return "a flush";
  }
}
