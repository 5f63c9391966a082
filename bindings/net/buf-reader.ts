// Buffered reading: lines, delimiters, exact counts.
//
// Whatever has been read and not asked for stays in #buffer, between #start and #end. An operation
// that is dropped leaves the bytes there: all of them are cancel safe, lines too.
// At most one read of the inner reader is under way; it belongs to the operation that waits.

import { ContextError, OptionError, TokiwaError } from "../errors.ts";
import { type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { checkInteger, checkOptions, show } from "../options.ts";
import { operand } from "../task/promise.ts";
import { checkExact, checkInto } from "./address.ts";
import { type Reader, unexpectedEnd } from "./io.ts";

const DEFAULT_CAPACITY = 8192;
const MAX_CAPACITY = 1 << 30;
const DEFAULT_LIMIT = 1 << 20;
const NEWLINE = 10;
const RETURN = 13;

/** Options of `readLine()`, `lines()` and `readUntil()`. */
export interface LineOptions {
  /** Bytes that one line may have, its end included; default 1 MiB. */
  limit?: number;
}

export function checkReader(reader: unknown): Reader {
  if (typeof (reader as Reader | null | undefined)?.read !== "function") throw new OptionError(`reader must have a read() method, got ${show(reader)}`);
  return reader as Reader;
}

function checkLimit(options: LineOptions | undefined): number {
  const { limit } = checkOptions<LineOptions>("options", options);
  return limit === undefined ? DEFAULT_LIMIT : checkInteger("limit", limit, 1, MAX_CAPACITY);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads lines and the like from any reader, with few reads of it. Every operation is cancel safe.
 *
 * @example
 * const reader = new BufReader(stream);
 * for (let line; (line = await reader.readLine()) !== undefined; ) console.log(line.trimEnd());
 */
export class BufReader implements Reader {
  readonly #reader: Reader;
  #buffer: Uint8Array;
  #start = 0;
  #end = 0;
  #hasEnded = false;
  #inner: Future<number> | undefined;
  #innerOwner: object | undefined;

  /** @param capacity bytes asked for at a time, default 8192; the buffer grows only for long lines */
  constructor(reader: Reader, capacity?: number) {
    this.#reader = checkReader(reader);
    this.#buffer = new Uint8Array(capacity === undefined ? DEFAULT_CAPACITY : checkInteger("capacity", capacity, 1, MAX_CAPACITY));
  }

  /** What is buffered, after reading once if nothing is; empty at the end. Take bytes with `consume()`. */
  fill(): Future<Uint8Array> {
    return new Fill(this);
  }

  /** Removes bytes that `fill()` has shown. */
  consume(count: number): void {
    this.#start += checkInteger("count", count, 0, this.#end - this.#start);
  }

  /** The bytes read and not taken yet. */
  get buffered(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** What is there, at least one byte; 0 at the end. */
  read(into: Uint8Array): Future<number> {
    return new BufRead(this, checkInto(into), false);
  }

  /** Fills the whole buffer. @throws {TokiwaError} `TOKIWA_UNEXPECTED_EOF` when the stream ends before */
  readExact(into: Uint8Array): Future<number> {
    return new BufRead(this, checkExact(into), true);
  }

  /**
   * The next line with its newline; undefined at the end. The last one may have none.
   *
   * @throws {TokiwaError} `TOKIWA_LINE_TOO_LONG` beyond the limit (the line stays, a larger limit can read it),
   *   `TOKIWA_INVALID_UTF8` (the line is passed over)
   */
  readLine(options?: LineOptions): Future<string | undefined> {
    return new Line(this, checkLimit(options), false);
  }

  /** Every line, without its newline. */
  lines(options?: LineOptions): Lines {
    return new Lines(this, checkLimit(options));
  }

  /** The bytes up to and including `byte`; what is left at the end, or undefined when nothing is. */
  readUntil(byte: number, options?: LineOptions): Future<Uint8Array | undefined> {
    return new Until(this, checkInteger("byte", byte, 0, 255), checkLimit(options));
  }

  // ---- for the operations

  /** @internal */
  get length(): number {
    return this.#end - this.#start;
  }

  /** @internal */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** @internal The index of `byte` among the buffered ones, from `from` on, or -1. */
  find(byte: number, from: number): number {
    const at = this.#buffer.indexOf(byte, this.#start + from);
    return at < 0 || at >= this.#end ? -1 : at - this.#start;
  }

  /** @internal Removes `count` bytes; the view is valid until the next read. */
  cut(count: number): Uint8Array {
    const at = this.#start;
    this.#start += count;
    return this.#buffer.subarray(at, at + count);
  }

  /** @internal Reads once more. False when it has to wait. */
  more(owner: object, waker: Waker): boolean {
    if (this.#hasEnded) return true;
    if (this.#inner === undefined) {
      this.#makeRoom();
      this.#inner = operand("reader.read()", this.#reader.read(this.#buffer.subarray(this.#end)));
      this.#innerOwner = owner;
    } else if (this.#innerOwner !== owner) {
      throw new ContextError("TOKIWA_BUSY", "another read is pending on this BufReader: wait for it, or drop it, first");
    }
    let count: number | typeof PENDING;
    try {
      count = this.#inner.poll(waker);
    } catch (error) {
      this.#inner = this.#innerOwner = undefined;
      throw error;
    }
    if (count === PENDING) return false;
    this.#inner = this.#innerOwner = undefined;
    if (count === 0) this.#hasEnded = true;
    else this.#end += count;
    return true;
  }

  #makeRoom(): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end < this.#buffer.length) return;
    const target = this.#start > 0 ? this.#buffer : new Uint8Array(this.#buffer.length * 2);
    target.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = target;
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** @internal The operation was dropped. */
  abandon(owner: object): void {
    if (this.#innerOwner !== owner) return;
    this.#inner?.[Symbol.dispose]();
    this.#inner = this.#innerOwner = undefined;
  }
}

/** Looks at the buffer, reads, looks again. */
abstract class BufOperation<T> extends Operation<T> {
  protected readonly source: BufReader;

  constructor(source: BufReader) {
    super();
    this.source = source;
  }

  /** The result, or PENDING while more bytes are needed. */
  protected abstract look(): T | typeof PENDING;

  poll(waker: Waker): T | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    for (;;) {
      const result = this.look();
      if (result !== PENDING) return result;
      if (this.source.more(this, waker)) continue;
      restore();
      return PENDING;
    }
  }

  override [Symbol.dispose](): void {
    this.source.abandon(this);
  }

  override describe(): string {
    return "bytes to read";
  }
}

class Fill extends BufOperation<Uint8Array> {
  protected look(): Uint8Array | typeof PENDING {
    return this.source.length > 0 || this.source.hasEnded ? this.source.buffered : PENDING;
  }
}

class BufRead extends BufOperation<number> {
  readonly #into: Uint8Array;
  readonly #isExact: boolean;

  constructor(source: BufReader, into: Uint8Array, isExact: boolean) {
    super(source);
    this.#into = into;
    this.#isExact = isExact;
  }

  protected look(): number | typeof PENDING {
    const { source } = this;
    const into = this.#into;
    const there = source.length;
    if (this.#isExact && there < into.length) {
      if (source.hasEnded) throw unexpectedEnd(there, into.length);
      return PENDING;
    }
    if (!this.#isExact && there === 0) return source.hasEnded ? 0 : PENDING;
    const count = Math.min(there, into.length);
    into.set(source.cut(count));
    return count;
  }
}

class Until extends BufOperation<Uint8Array | undefined> {
  readonly #byte: number;
  readonly #limit: number;
  #seen = 0;

  constructor(source: BufReader, byte: number, limit: number) {
    super(source);
    this.#byte = byte;
    this.#limit = limit;
  }

  protected look(): Uint8Array | undefined | typeof PENDING {
    const count = lineLength(this.source, this.#byte, this.#seen, this.#limit);
    this.#seen = this.source.length;
    if (count === undefined) return PENDING;
    return count === 0 ? undefined : this.source.cut(count).slice();
  }
}

/** Length of the next line with its end; 0 at the end of the stream, undefined when more is needed. */
function lineLength(source: BufReader, byte: number, seen: number, limit: number): number | undefined {
  const at = source.find(byte, seen);
  const count = at >= 0 ? at + 1 : source.length;
  if (count > limit) throw new TokiwaError("TOKIWA_LINE_TOO_LONG", `the line is longer than the limit of ${limit} bytes. Give a larger { limit }, or close the stream.`);
  return at >= 0 || source.hasEnded ? count : undefined;
}

class Line extends BufOperation<string | undefined> {
  readonly #limit: number;
  readonly #isStripped: boolean;
  #seen = 0;

  constructor(source: BufReader, limit: number, isStripped: boolean) {
    super(source);
    this.#limit = limit;
    this.#isStripped = isStripped;
  }

  protected look(): string | undefined | typeof PENDING {
    const count = lineLength(this.source, NEWLINE, this.#seen, this.#limit);
    this.#seen = this.source.length;
    if (count === undefined) return PENDING;
    if (count === 0) return undefined;
    let line = this.source.cut(count);
    if (this.#isStripped && line[line.length - 1] === NEWLINE) line = line.subarray(0, line.length - (line[line.length - 2] === RETURN ? 2 : 1));
    return decodeUtf8(line, "line");
  }

  override describe(): string {
    return "a line to read";
  }
}

/** @throws {TokiwaError} `TOKIWA_INVALID_UTF8` */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new TokiwaError("TOKIWA_INVALID_UTF8", `the ${what} (${bytes.length} bytes) is not valid UTF-8. Read it as bytes instead.`, { cause });
  }
}

/** The lines of a reader: `for await`, or `next()` in a generator task. */
export class Lines implements AsyncIterable<string> {
  readonly #source: BufReader;
  readonly #limit: number;

  /** @internal */
  constructor(source: BufReader, limit: number) {
    this.#source = source;
    this.#limit = limit;
  }

  /** The next line, undefined at the end. Cancel safe. */
  next(): Future<string | undefined> {
    return new Line(this.#source, this.#limit, true);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for (let line; (line = await this.next()) !== undefined; ) yield line;
  }
}
