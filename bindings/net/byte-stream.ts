// What TCP, Unix, TLS and in-memory streams have in common, and their halves.

import type { Future } from "../future.ts";
import { checkBytes, checkExact, checkInto, checkPieces } from "./address.ts";
import { Flush, Read, ReadExact, type Reader, ReadToEnd, Shutdown, type Sink, type Source, Write, WriteAll, type Writer } from "./io.ts";
import { webReadable, webWritable } from "./web-streams.ts";

/** Both directions of a stream, and its end. */
export interface Endpoint extends Source, Sink {
  /** Ends both directions: what was written still goes out, then the end. Idempotent. */
  close(): void;
}

/** The reading half of a stream. Reads by `split()` and by the stream itself are the same half. */
export class ReadHalf implements Reader, Disposable {
  readonly #source: Source;

  /** @internal */
  constructor(source: Source) {
    this.#source = source;
  }

  /** As `read()` of the stream. */
  read(into: Uint8Array): Future<number> {
    return new Read(this.#source, checkInto(into), false);
  }

  /** As `readExact()` of the stream. */
  readExact(into: Uint8Array): Future<number> {
    return new ReadExact(this.#source, checkExact(into));
  }

  /** As `readToEnd()` of the stream. */
  readToEnd(): Future<Uint8Array> {
    return new ReadToEnd(this.#source);
  }

  /** As `peek()` of the stream. */
  peek(into: Uint8Array): Future<number> {
    return new Read(this.#source, checkInto(into), true);
  }

  /** Nothing ends when a reading half is dropped; close the stream, or shut down the other half. */
  [Symbol.dispose](): void {}
}

/** The writing half of a stream. Dropping it (`using`) sends the end. */
export class WriteHalf implements Writer, Disposable {
  readonly #sink: Sink;

  /** @internal */
  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** As `write()` of the stream. */
  write(bytes: Uint8Array): Future<number> {
    return new Write(this.#sink, checkBytes(bytes));
  }

  /** As `writeAll()` of the stream. */
  writeAll(bytes: Uint8Array | readonly Uint8Array[]): Future<void> {
    return new WriteAll(this.#sink, checkPieces(bytes));
  }

  /** As `flush()` of the stream. */
  flush(): Future<void> {
    return new Flush(this.#sink);
  }

  /** As `shutdown()` of the stream. */
  shutdown(): Future<void> {
    return new Shutdown(this.#sink);
  }

  [Symbol.dispose](): void {
    this.#sink.finish();
  }
}

/** A stream of bytes in both directions. */
export abstract class ByteStream implements Reader, Writer, Disposable {
  /** @internal */
  readonly endpoint: Endpoint;

  /** @internal */
  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /**
   * Reads what is there, at least one byte, into your buffer. 0 means that the peer has ended the stream.
   *
   * Cancel safe: dropping it loses no byte. One read may be pending at a time.
   *
   * @throws {OptionError} when `into` is no Uint8Array, empty, or detached
   * @throws {ContextError} `TOKIWA_BUSY` while another read is pending
   * @throws {TokiwaError} `TOKIWA_CLOSED` after `close()`; otherwise the host's error (`ECONNRESET`, ...)
   * @example
   * const buffer = new Uint8Array(4096);
   * for (let n; (n = await stream.read(buffer)) > 0; ) console.log(buffer.subarray(0, n));
   */
  read(into: Uint8Array): Future<number> {
    return new Read(this.endpoint, checkInto(into), false);
  }

  /**
   * Fills the whole buffer. Cancel safe: what was read so far is given back to the stream.
   *
   * @throws {TokiwaError} `TOKIWA_UNEXPECTED_EOF` when the stream ends before
   */
  readExact(into: Uint8Array): Future<number> {
    return new ReadExact(this.endpoint, checkExact(into));
  }

  /** Everything up to the end, without a limit: only for peers you trust. Cancel safe: what was read is given back. */
  readToEnd(): Future<Uint8Array> {
    return new ReadToEnd(this.endpoint);
  }

  /** As `read()`, leaving the bytes to be read again. Cancel safe. */
  peek(into: Uint8Array): Future<number> {
    return new Read(this.endpoint, checkInto(into), true);
  }

  /**
   * Writes some of the bytes, and says how many: at most 64 KiB at a time, and none while the peer does not read.
   * They are copied, so the buffer may be reused. Cancel safe: dropped while pending, nothing was written.
   *
   * @throws {TokiwaError} `TOKIWA_CLOSED` after `shutdown()` or `close()`; otherwise the host's error (`EPIPE`, ...)
   */
  write(bytes: Uint8Array): Future<number> {
    return new Write(this.endpoint, checkBytes(bytes));
  }

  /**
   * Writes all bytes, of one buffer or of several in one system call, and waits until the operating system has them.
   *
   * They are not copied: leave them alone until it is done. Not cancel safe: dropped while pending, some
   * or all of them are still sent.
   */
  writeAll(bytes: Uint8Array | readonly Uint8Array[]): Future<void> {
    return new WriteAll(this.endpoint, checkPieces(bytes));
  }

  /** Waits until everything written has gone to the operating system. Cancel safe. */
  flush(): Future<void> {
    return new Flush(this.endpoint);
  }

  /** Sends the end (FIN) after what was written; reading goes on. Idempotent and cancel safe. */
  shutdown(): Future<void> {
    return new Shutdown(this.endpoint);
  }

  /** Two halves, for two tasks. */
  split(): [ReadHalf, WriteHalf] {
    return [new ReadHalf(this.endpoint), new WriteHalf(this.endpoint)];
  }

  /** As web streams, with backpressure both ways. The stream is then theirs: use it no other way. */
  toWeb(): { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> } {
    return { readable: webReadable(this), writable: webWritable(this) };
  }

  /** Ends both directions: what was written still goes out. Pending reads and writes fail with `TOKIWA_CLOSED`. */
  close(): void {
    this.endpoint.close();
  }

  [Symbol.dispose](): void {
    this.endpoint.close();
  }
}
