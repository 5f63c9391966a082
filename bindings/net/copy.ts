// Copying from readers to writers.
//
//   read --bytes--> write until all are taken --> read ...   while the reader has nothing: flush
//
// One buffer, so memory stays flat however fast the reader is.

import { tryJoin } from "../combinators.ts";
import { type Future, Operation, PENDING, proceed, restore, type Suspend, type Waker } from "../future.ts";
import { lazy } from "../task/lazy.ts";
import { operand } from "../task/promise.ts";
import { checkReader } from "./buf-reader.ts";
import { checkWriter, wroteNothing } from "./buf-writer.ts";
import { ByteStream, WriteHalf } from "./byte-stream.ts";
import type { Reader, Writer } from "./io.ts";

const BUFFER_BYTES = 65_536;

class Copy extends Operation<number> {
  readonly #reader: Reader;
  readonly #writer: Writer;
  #buffer: Uint8Array | undefined;
  #start = 0;
  #end = 0;
  #total = 0;
  #hasEnded = false;
  #isDirty = false;
  #reading: Future<number> | undefined;
  #writing: Future<number | void> | undefined;
  #flushing: Future<void> | undefined;

  constructor(reader: Reader, writer: Writer) {
    super();
    this.#reader = reader;
    this.#writer = writer;
  }

  poll(waker: Waker): number | typeof PENDING {
    for (;;) {
      if (!proceed(waker)) return PENDING;
      const isOver = this.#step(waker);
      if (isOver === PENDING) {
        restore();
        return PENDING;
      }
      if (isOver) return this.#total;
    }
  }

  /** True when everything is through, PENDING when it has to wait. */
  #step(waker: Waker): boolean | typeof PENDING {
    if (this.#flushing !== undefined && !this.#flush(waker)) return PENDING;
    if (this.#start < this.#end) return this.#write(waker) ? false : PENDING;
    if (this.#hasEnded) return !this.#isDirty || this.#flush(waker) ? true : PENDING;
    this.#buffer ??= new Uint8Array(BUFFER_BYTES);
    this.#reading ??= operand("reader.read()", this.#reader.read(this.#buffer));
    const count = this.#reading.poll(waker);
    if (count === PENDING) {
      if (this.#isDirty) this.#flush(waker);
      return PENDING;
    }
    this.#reading = undefined;
    this.#start = 0;
    this.#end = count;
    this.#hasEnded = count === 0;
    return false;
  }

  #write(waker: Waker): boolean {
    this.#writing ??= this.#startWrite((this.#buffer as Uint8Array).subarray(this.#start, this.#end));
    const result = this.#writing.poll(waker);
    if (result === PENDING) return false;
    this.#writing = undefined;
    const count = typeof result === "number" ? result : this.#end - this.#start;
    if (count === 0) throw wroteNothing();
    this.#start += count;
    this.#total += count;
    this.#isDirty = true;
    return true;
  }

  /** Our own streams take all at once, without the copy that lets a `write` be dropped. */
  #startWrite(bytes: Uint8Array): Future<number | void> {
    const writer = this.#writer;
    if (writer instanceof ByteStream || writer instanceof WriteHalf) return writer.writeAll(bytes);
    return operand("writer.write()", writer.write(bytes));
  }

  #flush(waker: Waker): boolean {
    if (this.#writer.flush !== undefined) {
      this.#flushing ??= operand("writer.flush()", this.#writer.flush());
      if (this.#flushing.poll(waker) === PENDING) return false;
      this.#flushing = undefined;
    }
    this.#isDirty = false;
    return true;
  }

  override [Symbol.dispose](): void {
    this.#reading?.[Symbol.dispose]();
    this.#writing?.[Symbol.dispose]();
    this.#flushing?.[Symbol.dispose]();
    this.#reading = this.#writing = this.#flushing = undefined;
  }

  override describe(): string {
    return "a copy";
  }
}

/**
 * Copies until the reader ends, and flushes the writer then and whenever the reader has to wait. How many bytes.
 *
 * The writer is not shut down. Not cancel safe: up to 64 KiB that were read and not yet written are lost.
 *
 * @example await copy(stream, file);
 */
export function copy(reader: Reader, writer: Writer): Future<number> {
  return new Copy(checkReader(reader), checkWriter(writer));
}

function* copyAndEnd(reader: Reader, writer: Writer): Generator<Suspend, number, unknown> {
  const count = yield* copy(reader, writer);
  if (writer.shutdown !== undefined) yield* operand("writer.shutdown()", writer.shutdown());
  return count;
}

/**
 * Copies both ways at once, as a proxy does. When one side ends, the other is shut down for writing, and the rest
 * of the way back still goes through. How many bytes went from `a` to `b` and from `b` to `a`.
 *
 * The first failure ends it.
 */
export function copyBidirectional(a: Reader & Writer, b: Reader & Writer): Future<[aToB: number, bToA: number]> {
  checkReader(a);
  checkWriter(a);
  checkReader(b);
  checkWriter(b);
  return tryJoin(lazy(copyAndEnd, a, b), lazy(copyAndEnd, b, a));
}

