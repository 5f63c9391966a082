// Frames: cutting a stream of bytes into messages, and back.
//
// A codec works on what is buffered: `decode` says that it needs more by undefined, and how much it took. It is
// never asked to hold bytes itself, so a dropped `next()` loses none.

import { OptionError, TokiwaError } from "../errors.ts";
import { type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { checkBoolean, checkFunction, checkInteger, checkOneOf, checkOptions, show } from "../options.ts";
import { checkBytes } from "./address.ts";
import { BufReader, decodeUtf8 } from "./buf-reader.ts";
import { BufWriter } from "./buf-writer.ts";
import type { Reader, Writer } from "./io.ts";

/** A frame, and how many bytes it took. */
export interface Decoded<T> {
  readonly frame: T;
  readonly length: number;
}

/** How messages are laid out in a stream. */
export interface Codec<T> {
  /** Cuts the first frame off `bytes`; undefined when more are needed. `bytes` may be reused afterwards: copy what is kept. */
  decode(bytes: Uint8Array, hasEnded: boolean): Decoded<T> | undefined;
  /** The bytes of a frame, in one or more pieces. */
  encode(frame: T): readonly Uint8Array[];
}

const DEFAULT_MAX_FRAME = 8 * 1024 * 1024;
const MAX_FRAME = 1 << 30;
const NEWLINE = 10;
const RETURN = 13;

export interface LinesCodecOptions {
  /** Bytes that a line may have, without its end; default 8 MiB. */
  maxFrame?: number;
}

function checkMaxFrame(value: number | undefined): number {
  return value === undefined ? DEFAULT_MAX_FRAME : checkInteger("maxFrame", value, 1, MAX_FRAME);
}

function frameTooLong(length: string, limit: number): TokiwaError {
  return new TokiwaError("TOKIWA_FRAME_TOO_LONG", `a frame of ${length} bytes is beyond the limit of ${limit}: close the stream, or give a larger { maxFrame }`);
}

/**
 * Lines of UTF-8, ended by a newline or carriage return and newline.
 *
 * @example for await (const line of new FramedReader(stream, linesCodec())) console.log(line);
 */
export function linesCodec(options?: LinesCodecOptions): Codec<string> {
  const limit = checkMaxFrame(checkOptions<LinesCodecOptions>("options", options).maxFrame);
  const encoder = new TextEncoder();
  const newline = new Uint8Array([NEWLINE]);
  return {
    decode(bytes, hasEnded) {
      const at = bytes.indexOf(NEWLINE);
      let length = at >= 0 ? at : bytes.length;
      if (length > limit + 1 || (length > limit && bytes[length - 1] !== RETURN)) throw frameTooLong(`${length} or more`, limit);
      if (at < 0 && (!hasEnded || bytes.length === 0)) return undefined;
      const taken = at >= 0 ? at + 1 : length;
      if (at > 0 && bytes[at - 1] === RETURN) length--;
      return { frame: decodeUtf8(bytes.subarray(0, length), "line"), length: taken };
    },
    encode(line) {
      if (typeof line !== "string" || line.includes("\n")) throw new OptionError(`frame must be a string without a newline, got ${show(line)}`);
      return [encoder.encode(line), newline];
    },
  };
}

export interface LengthCodecOptions {
  /** Bytes of the length before each frame: 1, 2 or 4 (the default). */
  lengthBytes?: 1 | 2 | 4;
  /** The length's byte order; default big-endian, as networks have it. */
  littleEndian?: boolean;
  /** Bytes that a frame may have, without its length; default 8 MiB. */
  maxFrame?: number;
}

/** Frames of bytes, each after its length. */
export function lengthDelimited(options?: LengthCodecOptions): Codec<Uint8Array> {
  const given = checkOptions<LengthCodecOptions>("options", options);
  const lengthBytes = Number(checkOneOf("lengthBytes", String(given.lengthBytes ?? 4), ["1", "2", "4"]));
  const littleEndian = given.littleEndian === undefined ? false : checkBoolean("littleEndian", given.littleEndian);
  const limit = Math.min(checkMaxFrame(given.maxFrame), 2 ** (8 * lengthBytes) - 1);
  return {
    decode(bytes, hasEnded) {
      if (bytes.length >= lengthBytes) {
        const view = new DataView(bytes.buffer, bytes.byteOffset, lengthBytes);
        const length = lengthBytes === 1 ? view.getUint8(0) : lengthBytes === 2 ? view.getUint16(0, littleEndian) : view.getUint32(0, littleEndian);
        if (length > limit) throw frameTooLong(String(length), limit);
        const end = lengthBytes + length;
        if (bytes.length >= end) return { frame: bytes.slice(lengthBytes, end), length: end };
      }
      if (hasEnded && bytes.length > 0) throw new TokiwaError("TOKIWA_UNEXPECTED_EOF", `the stream ended inside a frame, after ${bytes.length} bytes of it`);
      return undefined;
    },
    encode(frame) {
      if (checkBytes(frame).length > limit) throw frameTooLong(String(frame.length), limit);
      const head = new Uint8Array(lengthBytes);
      const view = new DataView(head.buffer);
      if (lengthBytes === 1) view.setUint8(0, frame.length);
      else if (lengthBytes === 2) view.setUint16(0, frame.length, littleEndian);
      else view.setUint32(0, frame.length, littleEndian);
      return [head, frame];
    },
  };
}

function checkCodec<T>(codec: Codec<T>): Codec<T> {
  checkFunction("codec.decode", codec?.decode);
  checkFunction("codec.encode", codec?.encode);
  return codec;
}

/** Reads frames. */
export class FramedReader<T> implements AsyncIterable<T> {
  readonly #reader: BufReader;
  readonly #codec: Codec<T>;

  constructor(reader: Reader, codec: Codec<T>) {
    this.#reader = reader instanceof BufReader ? reader : new BufReader(reader);
    this.#codec = checkCodec(codec);
  }

  /** The next frame, undefined at the end. Cancel safe. */
  next(): Future<T | undefined> {
    return new NextFrame(this.#reader, this.#codec);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (let frame; (frame = await this.next()) !== undefined; ) yield frame;
  }
}

class NextFrame<T> extends Operation<T | undefined> {
  readonly #reader: BufReader;
  readonly #codec: Codec<T>;

  constructor(reader: BufReader, codec: Codec<T>) {
    super();
    this.#reader = reader;
    this.#codec = codec;
  }

  poll(waker: Waker): T | undefined | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const reader = this.#reader;
    for (;;) {
      const hadEnded = reader.hasEnded;
      const decoded = this.#codec.decode(reader.buffered, hadEnded);
      if (decoded !== undefined) {
        reader.consume(decoded.length);
        return decoded.frame;
      }
      if (hadEnded) return undefined;
      if (reader.more(this, waker)) continue;
      restore();
      return PENDING;
    }
  }

  override [Symbol.dispose](): void {
    this.#reader.abandon(this);
  }

  override describe(): string {
    return "a frame";
  }
}

/** Writes frames; small ones are collected until `flush()` or until 8 KiB are full. */
export class FramedWriter<T> {
  readonly #writer: BufWriter;
  readonly #codec: Codec<T>;

  constructor(writer: Writer, codec: Codec<T>) {
    this.#writer = writer instanceof BufWriter ? writer : new BufWriter(writer);
    this.#codec = checkCodec(codec);
  }

  /** Writes a frame and flushes it. Not cancel safe. */
  send(frame: T): Future<void> {
    return new SendFrame(this.#writer, this.#codec.encode(frame), true);
  }

  /** Writes a frame without flushing. Not cancel safe. */
  feed(frame: T): Future<void> {
    return new SendFrame(this.#writer, this.#codec.encode(frame), false);
  }

  /** Writes out what was fed. */
  flush(): Future<void> {
    return this.#writer.flush();
  }

  /** Flushes, and ends the stream. */
  shutdown(): Future<void> {
    return this.#writer.shutdown();
  }
}

class SendFrame extends Operation<void> {
  readonly #writer: BufWriter;
  readonly #pieces: readonly Uint8Array[];
  #next = 0;
  #current: Future<void> | undefined;
  readonly #steps: number;

  constructor(writer: BufWriter, pieces: readonly Uint8Array[], flushes: boolean) {
    super();
    this.#writer = writer;
    this.#pieces = pieces;
    this.#steps = pieces.length + (flushes ? 1 : 0);
  }

  poll(waker: Waker): void | typeof PENDING {
    while (this.#next < this.#steps) {
      const piece = this.#pieces[this.#next];
      this.#current ??= piece === undefined ? this.#writer.flush() : this.#writer.writeAll(piece);
      if (this.#current.poll(waker) === PENDING) return PENDING;
      this.#current = undefined;
      this.#next++;
    }
    return undefined;
  }

  override [Symbol.dispose](): void {
    this.#current?.[Symbol.dispose]();
  }

  override describe(): string {
    return "a frame to be sent";
  }
}
