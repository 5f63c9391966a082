// A connection of the host as source and sink: what does not depend on how the host hands over its bytes.
//
// A chunk goes straight into the buffer of a read that waits, so that the host's memory is free again when
// the callback ends; it is queued only when nobody waits.
//
//   queued     bytes in chunks, at most READ_LIMIT and one chunk more
//   isStopped  the host was told to stop reading: the peer's writes then fill the kernel's buffers and stop it
//
// Order of the answers to a read: bytes that came, then the end if it came, then the failure.

import { OptionError } from "../errors.ts";
import { startTimer, stopTimer } from "../host.ts";
import type { Addr } from "./address.ts";
import type { Endpoint } from "./byte-stream.ts";
import { Gate } from "./gate.ts";
import { closedError, NOTHING, Read, ReadExact } from "./io.ts";
import type { NodeSocket } from "./node-types.ts";

/** Bytes that may wait for a reader. Two of the host's reads, so that a reader that keeps up never stops it. */
const READ_LIMIT = 131_072;
/** Bytes written that may wait for the operating system before `write()` waits. */
const WRITE_LIMIT = 65_536;
/** Most that one `write()` takes. */
const MAX_WRITE = 65_536;

/** Where a socket is that is gone. */
export const NOWHERE: Addr = Object.freeze({ host: "", port: 0 });

const EMPTY = new Uint8Array(0);

export abstract class HostEndpoint implements Endpoint {
  readonly readGate = new Gate(true);
  /** Made at the first write: an idle connection needs none. */
  #writeGate: Gate | undefined = undefined;
  /** Null while nothing is queued: an idle connection needs no list. */
  protected chunks: Uint8Array[] | null = null;
  /** Index of the first chunk that is not used up. */
  protected first = 0;
  /** Bytes of it that are. */
  protected offset = 0;
  protected queued = 0;
  protected isStopped = false;
  protected hasEnded = false;
  protected failure: Error | undefined = undefined;
  protected isClosed = false;
  protected isShut = false;
  protected hasFinished = false;
  /** Something written was not sent when the connection failed. */
  protected hasLost = false;
  /** Called once when the host's socket is gone. */
  protected onGone: (() => void) | undefined = undefined;
  /** See `setLinger()`. */
  lingerMs: number | undefined = undefined;

  get writeGate(): Gate {
    return (this.#writeGate ??= new Gate(true));
  }

  // ---- what the host does

  /** Lets the host read on. */
  protected abstract start(): void;
  /** Takes bytes, at least one: they belong to the host while `unsent` is not 0. */
  protected abstract send(bytes: Uint8Array): void;
  /** The same with several, in one system call. */
  protected abstract sendAll(pieces: readonly Uint8Array[]): void;
  /** Bytes written that the operating system does not have. */
  protected abstract readonly unsent: number;
  /** Begins to send the end. */
  protected abstract end(): void;
  /** Ends both directions: after what was written (`isShut` says whether the end is under way), or at once with a reset. */
  protected abstract leave(isReset: boolean): void;
  /** Nothing is open any more. */
  protected abstract readonly isGone: boolean;
  /** Ends it now, whatever is unsent. */
  protected abstract destroy(): void;
  /** Gives the host's socket up as it was, with the bytes that nobody has read back in it. */
  abstract release(): NodeSocket;
  abstract setNoDelay(on: boolean): void;
  abstract setKeepAlive(on: boolean, ms: number): void;
  abstract readonly localAddr: Addr;
  abstract readonly peerAddr: Addr;

  // ---- called for the host

  /**
   * `length` bytes have come, in a buffer that the host may use again afterwards, or that is ours (`isOurs`).
   *
   * @param isBurst other callbacks follow before anybody can be polled; see Gate.open()
   * @returns false when the host is to stop reading
   */
  protected received(bytes: Uint8Array, length: number, isOurs: boolean, isBurst: boolean): boolean {
    const reader = this.queued === 0 ? this.readGate.waiting : null;
    const taken = reader instanceof Read || reader instanceof ReadExact ? reader.deliver(bytes, length) : 0;
    if (taken < length) {
      const rest = isOurs ? bytes.subarray(taken, length) : bytes.slice(taken, length);
      if (this.chunks === null) this.chunks = [rest];
      else this.chunks.push(rest);
      this.queued += length - taken;
    }
    this.readGate.open(isBurst);
    if (this.queued < READ_LIMIT) return true;
    this.isStopped = true;
    return false;
  }

  /** The end came, and everything before it has been read. */
  protected drained(): void {}

  /** The connection is gone; the first reason stays. */
  protected fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.hasLost = this.unsent > 0;
  }

  protected openGates(): void {
    this.readGate.open();
    this.#writeGate?.open();
  }

  // ---- source

  take(into: Uint8Array, at: number): number {
    const count = this.#copy(into, at);
    if (count <= 0) return count;
    this.queued -= count;
    if (this.queued > 0) this.#advance(count);
    else {
      this.discard();
      if (this.hasEnded) this.drained();
    }
    if (this.isStopped && this.queued < READ_LIMIT / 2) {
      this.isStopped = false;
      this.start();
    }
    return count;
  }

  #advance(count: number): void {
    const chunks = this.chunks as Uint8Array[];
    let left = count;
    while (left > 0) {
      const there = (chunks[this.first] as Uint8Array).length - this.offset;
      if (left < there) {
        this.offset += left;
        break;
      }
      left -= there;
      this.offset = 0;
      chunks[this.first++] = EMPTY;
    }
    if (this.first > 64) {
      chunks.splice(0, this.first);
      this.first = 0;
    }
  }

  protected discard(): void {
    this.chunks = null;
    this.first = this.offset = this.queued = 0;
  }

  peek(into: Uint8Array): number {
    return this.#copy(into, 0);
  }

  #copy(into: Uint8Array, at: number): number {
    if (this.isClosed) throw closedError("cannot read: the stream was closed");
    const chunks = this.chunks;
    if (chunks === null) {
      if (this.hasEnded) return 0;                         // a reset after the end is the writer's trouble
      if (this.failure !== undefined) throw this.failure;
      return NOTHING;
    }
    let count = 0;
    const room = into.length - at;
    if (room <= 0) throw new OptionError("into has no room: its buffer was detached or shrunk while the read was pending");
    for (let i = this.first; i < chunks.length && count < room; i++) {
      let chunk = chunks[i] as Uint8Array;
      const from = i === this.first ? this.offset : 0;
      const length = Math.min(chunk.length - from, room - count);
      if (from > 0 || length < chunk.length) chunk = chunk.subarray(from, from + length);
      into.set(chunk, at + count);
      count += length;
    }
    return count;
  }

  unread(bytes: Uint8Array): void {
    if (this.isClosed) return;
    this.chunks = [bytes, ...this.unreadChunks()];
    this.first = this.offset = 0;
    this.queued += bytes.length;
    this.readGate.open();
  }

  /** What nobody has read, in order. */
  protected unreadChunks(): Uint8Array[] {
    const rest = this.chunks === null ? [] : this.chunks.slice(this.first);
    if (this.offset > 0) rest[0] = (rest[0] as Uint8Array).subarray(this.offset);
    return rest;
  }

  // ---- sink

  #checkWritable(): void {
    if (this.isClosed) throw closedError("cannot write: the stream was closed");
    if (this.failure !== undefined) throw this.failure;
    if (this.isShut) throw closedError("cannot write: the stream was shut down for writing");
  }

  put(bytes: Uint8Array, at: number): number {
    this.#checkWritable();
    const count = Math.min(bytes.length - at, MAX_WRITE);
    if (count === 0) return 0;
    if (this.unsent >= WRITE_LIMIT) return NOTHING;
    this.send(bytes.slice(at, at + count));
    return count;
  }

  submit(bytes: Uint8Array | readonly Uint8Array[]): boolean {
    this.#checkWritable();
    if (!(bytes instanceof Uint8Array)) this.sendAll(bytes);
    else if (bytes.length > 0) this.send(bytes);
    return true;
  }

  isThrough(): boolean {
    if (this.failure !== undefined) throw this.failure;
    if (this.unsent === 0) return true;
    if (this.isClosed) throw closedError("cannot write: the stream was closed");
    return false;
  }

  finish(): void {
    if (this.isShut || this.isClosed) return;
    this.isShut = true;
    this.end();
  }

  isFinished(): boolean {
    if (this.hasFinished || this.isClosed) return true;
    if (this.failure === undefined) return false;
    if (this.hasLost) throw this.failure;
    return true;                                           // a connection that is gone needs no end (ENOTCONN is none in Tokio)
  }

  // ---- the end

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.discard();
    const linger = this.lingerMs;
    this.leave(linger === 0);
    this.isShut = true;
    if (linger !== undefined && linger > 0 && !this.isGone) this.#destroyAfter(linger);
    this.openGates();
  }

  #destroyAfter(ms: number): void {
    const timer = startTimer(() => this.destroy(), ms);
    this.onGone = () => stopTimer(timer);
  }
}
