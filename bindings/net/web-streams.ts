// Web streams and our readers and writers, both ways. Works in pages: a fetch body is a reader.

import { OptionError } from "../errors.ts";
import { type Future, Operation, PENDING, proceed, type Waker } from "../future.ts";
import { show } from "../options.ts";
import { lazy } from "../task/lazy.ts";
import { fromPromise } from "../task/promise.ts";
import { checkBytes, checkInto } from "./address.ts";
import type { Reader, Writer } from "./io.ts";

const PULL_BYTES = 65_536;

/** A readable web stream of what a reader reads, one read per pull. Cancelling it closes the reader if it has `close()`. */
export function webReadable(reader: Reader): ReadableStream<Uint8Array> {
  let pending: Future<number> | undefined;
  const buffer = new Uint8Array(PULL_BYTES);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        pending = reader.read(buffer);
        const count = await pending;
        pending = undefined;
        if (count === 0) controller.close();
        else controller.enqueue(buffer.slice(0, count));
      },
      cancel() {
        pending?.[Symbol.dispose]();
        (reader as { close?: () => void }).close?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** A writable web stream into a writer. Closing it shuts the writer down; aborting it closes the writer if it has `close()`. */
export function webWritable(writer: Writer): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    async write(chunk) {
      for (let rest = checkBytes(chunk); rest.length > 0; ) rest = rest.subarray(await writer.write(rest));
      await writer.flush?.();
    },
    async close() {
      await writer.shutdown?.();
    },
    abort() {
      (writer as { close?: () => void }).close?.();
    },
  });
}

/**
 * A web stream of bytes, such as the body of a fetch, as a reader.
 *
 * @example const lines = new BufReader(new WebReader((await fetch(url)).body)).lines();
 */
export class WebReader implements Reader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array | undefined;
  /** The host's read, which outlives a read of ours that was dropped. */
  #next: Future<ReadableStreamReadResult<Uint8Array>> | undefined;

  constructor(stream: ReadableStream<Uint8Array>) {
    if (typeof stream?.getReader !== "function") throw new OptionError(`stream must be a ReadableStream, got ${show(stream)}`);
    this.#reader = stream.getReader();
  }

  /** What is there, at least one byte; 0 at the end. Cancel safe. */
  read(into: Uint8Array): Future<number> {
    return new WebRead(this, checkInto(into));
  }

  /** Gives the stream up; it is cancelled. */
  close(): void {
    this.#reader.cancel().catch(() => {});
  }

  /** @internal */
  take(into: Uint8Array, waker: Waker): number | typeof PENDING {
    for (;;) {
      const rest = this.#rest;
      if (rest !== undefined) {
        const count = Math.min(rest.length, into.length);
        into.set(rest.subarray(0, count));
        this.#rest = count < rest.length ? rest.subarray(count) : undefined;
        return count;
      }
      this.#next ??= fromPromise(this.#reader.read());
      const result = this.#next.poll(waker);
      if (result === PENDING) return PENDING;
      this.#next = undefined;
      if (result.done) return 0;
      if (checkBytes(result.value).length > 0) this.#rest = result.value;
    }
  }
}

class WebRead extends Operation<number> {
  readonly #source: WebReader;
  readonly #into: Uint8Array;

  constructor(source: WebReader, into: Uint8Array) {
    super();
    this.#source = source;
    this.#into = into;
  }

  poll(waker: Waker): number | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    return this.#source.take(this.#into, waker);
  }

  override describe(): string {
    return "bytes of a web stream";
  }
}

/** A writable web stream as a writer; waits while the stream's queue is full. */
export class WebWriter implements Writer {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: WritableStream<Uint8Array>) {
    if (typeof stream?.getWriter !== "function") throw new OptionError(`stream must be a WritableStream, got ${show(stream)}`);
    this.#writer = stream.getWriter();
  }

  /** Writes a copy of all bytes once there is room. Cancel safe: dropped while it waits for room, nothing was written. */
  write(bytes: Uint8Array): Future<number> {
    return new WebWrite(this.#writer, checkBytes(bytes));
  }

  /** Waits until the stream has room again. */
  flush(): Future<void> {
    return lazy(() => this.#writer.ready.then(() => {}));
  }

  /** Closes the stream. */
  shutdown(): Future<void> {
    return lazy(() => this.#writer.close());
  }
}

class WebWrite extends Operation<number> {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #bytes: Uint8Array;
  #ready: Future<unknown> | undefined;

  constructor(writer: WritableStreamDefaultWriter<Uint8Array>, bytes: Uint8Array) {
    super();
    this.#writer = writer;
    this.#bytes = bytes;
  }

  poll(waker: Waker): number | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    this.#ready ??= fromPromise(this.#writer.ready);
    if (this.#ready.poll(waker) === PENDING) return PENDING;
    this.#writer.write(this.#bytes.slice()).catch(() => {});   // a failure shows at the next write, by `ready`
    return this.#bytes.length;
  }

  override [Symbol.dispose](): void {
    this.#ready?.[Symbol.dispose]();
  }

  override describe(): string {
    return "room in a web stream";
  }
}
