// The memory of a shared channel: a ring of messages between threads, and how many may send.
//
//   slots  permits: free places. A send takes one, a receive gives it back
//   items  permits: messages that lie in the ring. A send gives one, a receive takes it
//   ring   [kind, start, length] and a number for each place; bytes in a ring of their own, in the same order
//
// Both permits and the indices of the ring lie behind one ledger: a message goes in, or out, in one change, once its bytes are copied. So
// free places, messages, and what was granted to those who wait always add up to the capacity, whoever dies when.
// Senders are counted as permits held of `senders`, so that those of a thread that dies are given up; when
// the last is gone the channel is closed, and receivers drain it.

import { TokiwaError } from "../errors.ts";
import { END } from "../sync/stream.ts";
import { ownId } from "../workers/family.ts";
import { decode, encode, type Encoded, NUMBER } from "./codec.ts";
import { EXTRA, Ledger } from "./ledger.ts";
import { Permits } from "./permits.ts";

/** Bytes of messages that may lie in a channel, besides numbers and other primitives. */
const BYTES = 1 << 22;
const MAX_SENDERS = 0x3fffffff;
// Words of the ledger: where the ring is read and written, counted up to twice the capacity, and the ring of bytes.
const READ = EXTRA;
const WRITE = EXTRA + 1;
const BYTES_READ = EXTRA + 2;
const BYTES_WRITE = EXTRA + 3;
const SLOT = 3;

export interface State {
  capacity: number;
  /** Slots and items. */
  words: Int32Array;
  senders: Int32Array;
  /** The thread a sender on its way is counted for. */
  from: number;
  /** Of a sender on its way: ON_ITS_WAY, ARRIVED or GIVEN_UP. */
  ticket?: Int32Array;
  ring: Int32Array;
  numbers: Float64Array;
  bytes: Uint8Array;
}

const ON_ITS_WAY = 0;
const ARRIVED = 1;
const GIVEN_UP = 2;

// What put() comes to.
export const SENT = 0;
export const NO_PLACE = 1;
export const NO_ROOM = 2;
export const CLOSED = 3;

/** What take() returns instead of a message, or END. */
export const NOTHING: unique symbol = Symbol("nothing");

export class Channel {
  readonly state: State;
  readonly slots: Permits;
  readonly items: Permits;
  readonly senders: Permits;
  readonly #ledger: Ledger;

  constructor(state: State) {
    this.state = state;
    const ledger = (this.#ledger = new Ledger(state.words));
    this.slots = new Permits(state.words, 0, ledger);
    this.items = new Permits(state.words, 1, ledger);
    this.senders = new Permits(state.senders);
  }

  /** With one sender. */
  static make(capacity: number): Channel {
    const words = (count: number): SharedArrayBuffer => new SharedArrayBuffer(count);
    const channel = new Channel({
      capacity,
      words: Permits.make({ permits: capacity }, { permits: 0 }),
      senders: Permits.make({ permits: MAX_SENDERS }),
      from: 0,
      ring: new Int32Array(words(capacity * SLOT * 4)),
      numbers: new Float64Array(words(capacity * 8)),
      bytes: new Uint8Array(words(BYTES)),
    });
    channel.addSender();
    return channel;
  }

  /** Puts a message in. @param hasPlace a place was granted to this thread */
  put({ kind, number, bytes }: Encoded, hasPlace: boolean): number {
    const ledger = this.#ledger;
    const { slots, items } = this;
    const { ring, numbers, capacity, words } = this.state;
    ledger.enter();
    let result = SENT;
    let start = 0;
    if (!hasPlace && slots.isClosed) result = CLOSED;
    else if (!hasPlace && !slots.mayTake(1)) result = NO_PLACE;
    else if ((start = this.#room(bytes.length)) < 0) result = NO_ROOM;
    else {
      const write = words[WRITE] as number;
      const at = write % capacity;
      const slot = at * SLOT;
      ring[slot] = kind;
      if (kind === NUMBER) numbers[at] = number;
      else if (bytes.length === 0) ring[slot + 2] = 0;
      else {
        ring[slot + 1] = start;
        ring[slot + 2] = bytes.length;
        this.state.bytes.set(bytes, start);
        ledger.note(BYTES_WRITE, start + bytes.length);
      }
      ledger.note(WRITE, write + 1 === capacity * 2 ? 0 : write + 1);
      if (hasPlace) slots.noteHeld(ownId(), -1);
      else slots.noteFree(-1);
      items.noteFree(1);
      ledger.commit();
      items.pass();
    }
    ledger.leave();
    return result;
  }

  /** Where `size` bytes fit in one piece, or -1. Inside the lock. */
  #room(size: number): number {
    if (size === 0) return 0;
    const { words } = this.state;
    if (words[READ] === words[WRITE]) {
      words[BYTES_READ] = words[BYTES_WRITE] = 0;
      return size <= BYTES ? 0 : -1;
    }
    const read = words[BYTES_READ] as number;
    const write = words[BYTES_WRITE] as number;
    if (write >= read) {
      if (write + size <= BYTES) return write;
      return size < read ? 0 : -1;
    }
    return write + size < read ? write : -1;
  }

  /** Takes a message out. @param isGranted it was granted to this thread */
  take(isGranted: boolean): unknown {
    const ledger = this.#ledger;
    const { slots, items } = this;
    const { ring, numbers, capacity, words } = this.state;
    ledger.enter();
    if (!isGranted && !items.mayTake(1)) {
      const none = items.isClosed ? END : NOTHING;
      ledger.leave();
      return none;
    }
    const read = words[READ] as number;
    const at = read % capacity;
    const slot = at * SLOT;
    const kind = ring[slot] as number;
    let number = 0;
    let bytes: Uint8Array = EMPTY;
    if (kind === NUMBER) number = numbers[at] as number;
    else {
      const size = ring[slot + 2] as number;
      if (size > 0) {
        const start = ring[slot + 1] as number;
        bytes = this.state.bytes.slice(start, start + size);
        ledger.note(BYTES_READ, start + size);
      }
    }
    ledger.note(READ, read + 1 === capacity * 2 ? 0 : read + 1);
    if (isGranted) items.noteHeld(ownId(), -1);
    else items.noteFree(-1);
    slots.noteFree(1);
    ledger.commit();
    slots.pass();
    ledger.leave();
    return decode(kind, number, bytes);
  }

  get length(): number {
    return this.items.available;
  }

  get isClosed(): boolean {
    return this.slots.isClosed;
  }

  /** No more sends; what lies there can still be received. */
  close(): void {
    const ledger = this.#ledger;
    ledger.enter();
    this.slots.noteClosed();
    this.items.noteClosed();
    ledger.commit();
    this.slots.pass();
    this.items.pass();
    ledger.leave();
  }

  addSender(): void {
    this.senders.request(1, false);
  }

  /** One more sender, counted for this thread until it arrives at another, or until `over()` says that it will not. */
  depart(): { state: State; over: () => void } {
    this.addSender();
    const from = ownId();
    const ticket = new Int32Array(new SharedArrayBuffer(4));
    const over = (): void => {
      if (Atomics.compareExchange(ticket, 0, ON_ITS_WAY, GIVEN_UP) === ON_ITS_WAY) this.removeSender(from);
    };
    return { state: { ...this.state, from, ticket }, over };
  }

  /** A sender that was on its way is this thread's now. */
  arrive(): void {
    const { senders } = this;
    const { from, ticket } = this.state;
    const { ledger } = senders;
    ledger.enter();                                        // first, for one that is to end does not get further
    const isCounted = ticket === undefined || Atomics.compareExchange(ticket, 0, ON_ITS_WAY, ARRIVED) === ON_ITS_WAY;
    if (isCounted && from !== ownId()) {
      senders.noteHeld(from, -1);
      senders.noteHeld(ownId(), 1);
    } else if (!isCounted) {                               // it was for a job that has ended
      senders.noteFree(-1);
      senders.noteHeld(ownId(), 1);
    }
    ledger.commit();
    ledger.leave();
  }

  removeSender(thread: number = ownId()): void {
    this.senders.release(1, thread);
    this.checkSenders();
  }

  /** Closes the channel when the last sender is gone, with its thread perhaps. */
  readonly checkSenders = (): void => {
    this.senders.reclaim();
    if (this.senders.available === MAX_SENDERS && !this.isClosed) this.close();
  };
}

const EMPTY = new Uint8Array(0);

/** A message as bytes. @throws {TokiwaError} `TOKIWA_TOO_LARGE` | `TOKIWA_NOT_CLONEABLE` */
export function encodeMessage(value: unknown): Encoded {
  const encoded = encode(value);
  const { length } = encoded.bytes;
  if (length > BYTES) throw new TokiwaError("TOKIWA_TOO_LARGE", `a message of a shared channel may have at most ${BYTES} bytes, got ${length}: send a buffer as an argument instead`);
  return encoded;
}
