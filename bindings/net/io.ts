// Reading and writing as futures, over anything that can say what is there.
//
// A Source has bytes that came in, a Sink takes bytes that are to go out; both answer at once
// and say by NOTHING that the caller has to wait at their gate. Sockets and pipes in memory
// implement them, the operations here are the same for both.
//
// Every operation tries first: a read of bytes that are there does not suspend. A unit of coop
// budget is spent when it did something, and given back when it must wait.

import { TokiwaError } from "../errors.ts";
import { completed, type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import type { Gate } from "./gate.ts";

/** Anything that can be read from. 0 bytes mean the end. */
export interface Reader {
  read(into: Uint8Array): Future<number>;
}

/** Anything that can be written to. */
export interface Writer {
  write(bytes: Uint8Array): Future<number>;
  flush?(): Future<void>;
  shutdown?(): Future<void>;
}

/** Nothing has come yet, or there is no room: wait at the gate. */
export const NOTHING = -1;

export interface Source {
  readonly readGate: Gate;
  /** Moves bytes into `into` from `at` on. How many, 0 at the end, or NOTHING. Throws when the stream failed or was closed. */
  take(into: Uint8Array, at: number): number;
  /** As `take`, leaving the bytes where they are. */
  peek(into: Uint8Array): number;
  /** Gives bytes back, to be read next. */
  unread(bytes: Uint8Array): void;
}

export interface Sink {
  readonly writeGate: Gate;
  /** Takes bytes from `at` on. How many, or NOTHING. The caller may reuse `bytes` afterwards. */
  put(bytes: Uint8Array, at: number): number;
  /**
   * Hands everything over, without a copy where it can: `bytes` belong to the sink until `isThrough` says
   * so. False when this sink cannot, and wants to be given pieces with `put`.
   */
  submit(bytes: Uint8Array | readonly Uint8Array[]): boolean;
  /** Whether everything has gone to the operating system. Throws when the stream failed. */
  isThrough(): boolean;
  /** Begins to end the stream, after what was written. Harmless when it has begun. */
  finish(): void;
  /** Whether the end has gone out. Throws when the stream failed. */
  isFinished(): boolean;
}

/** Below this a loop is faster than a view for `set()`. */
const FEW_BYTES = 64;

function copyInto(into: Uint8Array, at: number, from: Uint8Array, count: number): void {
  if (count <= FEW_BYTES) for (let i = 0; i < count; i++) into[at + i] = from[i] as number;
  else into.set(count < from.length ? from.subarray(0, count) : from, at);
}

export class Read extends Operation<number> {
  #source: Source;
  #into: Uint8Array | undefined;
  readonly #isPeek: boolean;
  /** Bytes that came while it waited, in `into` already. */
  #delivered = 0;

  constructor(source: Source, into: Uint8Array, isPeek: boolean) {
    super();
    this.#source = source;
    this.#into = into;
    this.#isPeek = isPeek;
  }

  poll(waker: Waker): number | typeof PENDING {
    const into = this.#into;
    if (into === undefined) completed();
    if (!proceed(waker)) return PENDING;
    const delivered = this.#delivered;
    if (delivered > 0) {
      this.#delivered = 0;
      this.#into = undefined;
      return delivered;
    }
    const source = this.#source;
    source.readGate.enter(this, "read");
    const count = this.#isPeek ? source.peek(into) : source.take(into, 0);
    if (count !== NOTHING) {
      this.#into = undefined;
      return count;
    }
    source.readGate.wait(this, waker);
    restore();
    return PENDING;
  }

  /** Takes bytes while it waits, as many as fit. */
  deliver(bytes: Uint8Array, length: number): number {
    const into = this.#into;
    if (into === undefined || this.#isPeek) return 0;
    const count = Math.min(length, into.length);           // 0 when it was detached meanwhile: the next poll says so
    copyInto(into, 0, bytes, count);
    this.#delivered = count;
    return count;
  }

  override [Symbol.dispose](): void {
    this.#source.readGate.forget(this);
    const delivered = this.#delivered;
    if (delivered === 0) return;
    this.#delivered = 0;
    this.#source.unread((this.#into as Uint8Array).slice(0, delivered));
  }

  override describe(): string {
    return "bytes to read";
  }
}

export class ReadExact extends Operation<number> {
  readonly #source: Source;
  readonly #into: Uint8Array;
  #filled = 0;

  constructor(source: Source, into: Uint8Array) {
    super();
    this.#source = source;
    this.#into = into;
  }

  poll(waker: Waker): number | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const source = this.#source;
    const into = this.#into;
    source.readGate.enter(this, "read");
    while (this.#filled < into.length) {
      const count = source.take(into, this.#filled);
      if (count === NOTHING) {
        source.readGate.wait(this, waker);
        restore();
        return PENDING;
      }
      if (count === 0) throw unexpectedEnd(this.#filled, into.length);
      this.#filled += count;
    }
    const count = this.#filled;
    this.#filled = 0;                                      // delivered: no longer ours to give back
    return count;
  }

  /** Takes bytes while it waits, as many as are missing. */
  deliver(bytes: Uint8Array, length: number): number {
    const filled = this.#filled;
    const count = Math.min(length, this.#into.length - filled);
    if (count <= 0) return 0;
    copyInto(this.#into, filled, bytes, count);
    this.#filled = filled + count;
    return count;
  }

  override [Symbol.dispose](): void {
    this.#source.readGate.forget(this);
    if (this.#filled > 0) this.#source.unread(this.#into.slice(0, this.#filled));
    this.#filled = 0;
  }

  override describe(): string {
    return `${this.#into.length - this.#filled} bytes to read`;
  }
}

export function unexpectedEnd(got: number, wanted: number): TokiwaError {
  return new TokiwaError("TOKIWA_UNEXPECTED_EOF", `the stream ended early: ${got} of ${wanted} bytes came`);
}

const FIRST_PIECE = 16_384;

export class ReadToEnd extends Operation<Uint8Array> {
  readonly #source: Source;
  #buffer: Uint8Array = new Uint8Array(FIRST_PIECE);
  #length = 0;

  constructor(source: Source) {
    super();
    this.#source = source;
  }

  poll(waker: Waker): Uint8Array | typeof PENDING {
    const source = this.#source;
    source.readGate.enter(this, "read");
    for (;;) {
      if (!proceed(waker)) return PENDING;
      const count = source.take(this.#buffer, this.#length);
      if (count === NOTHING) {
        source.readGate.wait(this, waker);
        restore();
        return PENDING;
      }
      if (count === 0) break;
      this.#length += count;
      if (this.#length === this.#buffer.length) this.#grow();
    }
    const length = this.#length;
    this.#length = 0;
    return this.#buffer.subarray(0, length);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }

  override [Symbol.dispose](): void {
    this.#source.readGate.forget(this);
    if (this.#length > 0) this.#source.unread(this.#buffer.slice(0, this.#length));
    this.#length = 0;
  }

  override describe(): string {
    return "the end of a stream";
  }
}

export class Write extends Operation<number> {
  readonly #sink: Sink;
  #bytes: Uint8Array | undefined;

  constructor(sink: Sink, bytes: Uint8Array) {
    super();
    this.#sink = sink;
    this.#bytes = bytes;
  }

  poll(waker: Waker): number | typeof PENDING {
    const bytes = this.#bytes;
    if (bytes === undefined) completed();
    if (!proceed(waker)) return PENDING;
    const sink = this.#sink;
    sink.writeGate.enter(this, "write");
    const count = sink.put(bytes, 0);
    if (count !== NOTHING) {
      this.#bytes = undefined;
      return count;
    }
    sink.writeGate.wait(this, waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#sink.writeGate.forget(this);
  }

  override describe(): string {
    return "room to write";
  }
}

const IN_PIECES = 1;
const SUBMITTED = 2;

export class WriteAll extends Operation<void> {
  readonly #sink: Sink;
  readonly #bytes: Uint8Array | readonly Uint8Array[];
  #state = 0;
  #piece = 0;
  #at = 0;

  constructor(sink: Sink, bytes: Uint8Array | readonly Uint8Array[]) {
    super();
    this.#sink = sink;
    this.#bytes = bytes;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const sink = this.#sink;
    sink.writeGate.enter(this, "write");
    if (this.#state === 0) this.#state = sink.submit(this.#bytes) ? SUBMITTED : IN_PIECES;
    if (this.#state === SUBMITTED ? sink.isThrough() : this.#putAll()) return undefined;
    sink.writeGate.wait(this, waker);
    restore();
    return PENDING;
  }

  #putAll(): boolean {
    const bytes = this.#bytes;
    const isList = !(bytes instanceof Uint8Array);
    const pieces = isList ? bytes.length : 1;
    for (; this.#piece < pieces; this.#piece++, this.#at = 0) {
      const piece = isList ? (bytes[this.#piece] as Uint8Array) : bytes;
      while (this.#at < piece.length) {
        const count = this.#sink.put(piece, this.#at);
        if (count === NOTHING) return false;
        this.#at += count;
      }
    }
    return true;
  }

  override [Symbol.dispose](): void {
    this.#sink.writeGate.forget(this);
  }

  override describe(): string {
    return "a write";
  }
}

/** A wait for what a sink does later. */
abstract class SinkWait extends Operation<void> {
  protected readonly sink: Sink;

  constructor(sink: Sink) {
    super();
    this.sink = sink;
  }

  /** Waits at the gate, and gives back the unit of budget. */
  protected wait(waker: Waker): typeof PENDING {
    this.sink.writeGate.wait(this, waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.sink.writeGate.forget(this);
  }
}

export class Flush extends SinkWait {
  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const { sink } = this;
    if (sink.isThrough()) return undefined;
    sink.writeGate.enter(this, "write");
    return this.wait(waker);
  }

  override describe(): string {
    return "a flush";
  }
}

export class Shutdown extends SinkWait {
  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const { sink } = this;
    sink.writeGate.enter(this, "write");
    sink.finish();
    return sink.isFinished() ? undefined : this.wait(waker);
  }

  override describe(): string {
    return "the end of a stream to go out";
  }
}

/** The stream was closed or shut down on this side. */
export function closedError(what: string): TokiwaError {
  return new TokiwaError("TOKIWA_CLOSED", what);
}
