// Pipes in memory: two streams, each reading what the other writes.
//
// Each direction is a ring of `capacity` bytes. Nothing of the host is involved, so two tasks that
// wait for each other are a deadlock that is found and named.

import { OptionError } from "../errors.ts";
import { checkInteger } from "../options.ts";
import { ByteStream, type Endpoint } from "./byte-stream.ts";
import { Gate } from "./gate.ts";
import { closedError, NOTHING } from "./io.ts";

const MAX_CAPACITY = 1 << 30;

/** One direction. */
class Pipe {
  readonly readGate = new Gate(false);
  readonly writeGate = new Gate(false);
  readonly #ring: Uint8Array;
  #start = 0;
  #length = 0;
  /** What a dropped read has given back; read before the ring. */
  #returned: Uint8Array | undefined;
  /** No more will be written. */
  hasEnded = false;
  /** Nobody will read. */
  isUnread = false;

  constructor(capacity: number) {
    this.#ring = new Uint8Array(capacity);
  }

  copy(into: Uint8Array, at: number): number {
    const room = into.length - at;
    if (room <= 0) throw new OptionError("into has no room: its buffer was detached or shrunk while the read was pending");
    const returned = this.#returned;
    if (returned !== undefined) {
      const count = Math.min(room, returned.length);
      into.set(returned.subarray(0, count), at);
      return count;
    }
    const count = Math.min(room, this.#length);
    if (count === 0) return this.hasEnded ? 0 : NOTHING;
    const ring = this.#ring;
    const first = Math.min(count, ring.length - this.#start);
    into.set(ring.subarray(this.#start, this.#start + first), at);
    if (first < count) into.set(ring.subarray(0, count - first), at + first);
    return count;
  }

  take(into: Uint8Array, at: number): number {
    const count = this.copy(into, at);
    if (count <= 0) return count;
    const returned = this.#returned;
    if (returned !== undefined) {
      this.#returned = count < returned.length ? returned.subarray(count) : undefined;
      return count;
    }
    this.#start = (this.#start + count) % this.#ring.length;
    this.#length -= count;
    this.writeGate.open();
    return count;
  }

  unread(bytes: Uint8Array): void {
    const returned = this.#returned;
    if (returned !== undefined) {
      const both = new Uint8Array(bytes.length + returned.length);
      both.set(bytes);
      both.set(returned, bytes.length);
      this.#returned = both;
    } else this.#returned = bytes;
    this.readGate.open();
  }

  put(bytes: Uint8Array, at: number): number {
    if (this.hasEnded) throw closedError("cannot write: the stream was shut down for writing");
    if (this.isUnread) throw closedError("cannot write: the other end was closed");
    const ring = this.#ring;
    const count = Math.min(bytes.length - at, ring.length - this.#length);
    if (count <= 0) return at >= bytes.length ? 0 : NOTHING;
    const from = (this.#start + this.#length) % ring.length;
    const first = Math.min(count, ring.length - from);
    ring.set(bytes.subarray(at, at + first), from);
    if (first < count) ring.set(bytes.subarray(at + first, at + count), 0);
    this.#length += count;
    this.readGate.open();
    return count;
  }

  end(): void {
    this.hasEnded = true;
    this.readGate.open();
    this.writeGate.open();
  }

  abandon(): void {
    this.isUnread = true;
    this.#length = 0;
    this.#returned = undefined;
    this.writeGate.open();
    this.readGate.open();
  }
}

class PipeEnd implements Endpoint {
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  #isClosed = false;

  constructor(incoming: Pipe, outgoing: Pipe) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  get readGate(): Gate {
    return this.#incoming.readGate;
  }

  get writeGate(): Gate {
    return this.#outgoing.writeGate;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedError("the stream was closed");
  }

  take(into: Uint8Array, at: number): number {
    this.#checkOpen();
    return this.#incoming.take(into, at);
  }

  peek(into: Uint8Array): number {
    this.#checkOpen();
    return this.#incoming.copy(into, 0);
  }

  unread(bytes: Uint8Array): void {
    if (!this.#isClosed) this.#incoming.unread(bytes);
  }

  put(bytes: Uint8Array, at: number): number {
    this.#checkOpen();
    return this.#outgoing.put(bytes, at);
  }

  submit(): boolean {
    return false;
  }

  isThrough(): boolean {
    this.#checkOpen();
    return true;
  }

  finish(): void {
    this.#outgoing.end();
  }

  isFinished(): boolean {
    return true;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outgoing.end();
    this.#incoming.abandon();
  }
}

/** One end of a pipe made by `duplex()`. */
export class DuplexStream extends ByteStream {}

/**
 * Two connected streams in memory: what is written to one is read from the other.
 *
 * @param capacity bytes that one direction holds before a write waits, 1 to 2^30
 * @example
 * const [client, server] = duplex(64);
 * await client.writeAll(new Uint8Array([1, 2, 3]));
 */
export function duplex(capacity: number): [DuplexStream, DuplexStream] {
  checkInteger("capacity", capacity, 1, MAX_CAPACITY);
  const there = new Pipe(capacity);
  const back = new Pipe(capacity);
  return [new DuplexStream(new PipeEnd(back, there)), new DuplexStream(new PipeEnd(there, back))];
}
