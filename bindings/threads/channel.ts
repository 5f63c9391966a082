// The memory of a shared channel: a ring of messages between threads, and how many may send.
//
//   slots    the end of the senders: free places. A send takes one, a receive gives it back
//   items    the end of the receivers: messages that lie in the ring. A send gives one, a receive takes it
//   ring     [kind, how many bytes] of each message. Messages count on from the first; the ring is a power of two long
//   numbers  the rest of the same slots: a number, or where the bytes end, which count on from the first as well
//   bytes    of messages that have some, in the same order, each in one piece
//
// A message is there once the senders' end says so by one word (channel-end.ts), and gone once the receivers' end does, whoever dies when.
// Bytes are given back after that, and no later than with the next message that has some; an empty channel has them all.
//
// Senders are counted as permits held of `senders`, so that those of a thread that dies are given up; when
// the last is gone the channel is closed, and receivers drain it. Weak senders are counted in the same way, and
// whoever waits for the channel to be closed queues for permits that there are none of.
//
// Tried: one lock and one log for both ends. Each message then was a change of six words, and two threads met in every one.

import { TokiwaError } from "../errors.ts";
import { END } from "../sync/stream.ts";
import { ownId } from "../workers/family.ts";
import { decode, encode, type Encoded, NUMBER } from "./codec.ts";
import { ChannelEnd, MORE } from "./channel-end.ts";
import { passedOn } from "./hold.ts";
import { Permits } from "./permits.ts";

/** Bytes of messages that may lie in a channel, besides numbers and other primitives. */
const BYTES = 1 << 22;
const MAX_SENDERS = 0x3fffffff;
/** A word of each end: where the bytes that went through it end. */
export const BYTES_DONE = MORE;
/** Of the receivers' end: whether somebody waits for that word to move. */
const ROOM_WANTED = MORE + 1;
// A slot is two words and a double, which share its 16 bytes.
const SLOT_WORDS = 4;
const SLOT_DOUBLES = 2;
const SIZE = 1;
const NUMBER_AT = 1;

export interface State {
  /** Random, for not all threads have numbers of one family: which channel this is. */
  id: number;
  capacity: number;
  slots: Int32Array;
  items: Int32Array;
  senders: Int32Array;
  /** Weak senders, and those who wait for the end. */
  others: Int32Array;
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
  readonly slots: ChannelEnd;
  readonly items: ChannelEnd;
  readonly senders: Permits;
  readonly #weaks: Permits;
  /** Nobody has any of these: waiting for one is waiting until they are refused, when the channel is closed. */
  readonly closing: Permits;
  /** Of the numbers of messages, where they lie. */
  readonly #mask: number;

  constructor(state: State) {
    this.state = state;
    this.slots = new ChannelEnd(state.slots, state.items);
    this.items = new ChannelEnd(state.items, state.slots, this.slots);
    this.senders = new Permits(state.senders);
    this.#weaks = new Permits(state.others);
    this.closing = new Permits(state.others, 1, this.#weaks.ledger);
    this.#mask = ringLength(state.capacity) - 1;
  }

  /** With one sender. */
  static make(capacity: number, bytes = BYTES): Channel {
    const ring = new SharedArrayBuffer(ringLength(capacity) * SLOT_WORDS * 4);
    const channel = new Channel({
      id: Math.random(),
      capacity,
      slots: Permits.make({ permits: capacity }),
      items: Permits.make({ permits: 0 }),
      senders: Permits.make({ permits: MAX_SENDERS }),
      others: Permits.make({ permits: MAX_SENDERS }, { permits: 0 }),
      from: 0,
      ring: new Int32Array(ring),
      numbers: new Float64Array(ring),
      bytes: new Uint8Array(new SharedArrayBuffer(bytes)),
    });
    channel.addSender();
    return channel;
  }

  /** Puts a message in. @param hasPlace a place was granted to this thread: it is used up, or given back if the channel is closed */
  put({ kind, number, bytes }: Encoded, hasPlace: boolean): number {
    const { slots } = this;
    const { ledger } = slots;
    ledger.enter();
    let result = SENT;
    let end = 0;
    if (slots.isClosed) {
      result = CLOSED;
      if (hasPlace) this.#useGrant(slots);                 // given back: receivers have been told that nothing more comes
    } else if (!hasPlace && !slots.mayPass()) result = NO_PLACE;
    else if (bytes.length > 0 && (end = this.#endOf(bytes.length)) < 0) result = NO_ROOM;
    else {
      const { ring, numbers } = this.state;
      const at = slots.done & this.#mask;
      ring[at * SLOT_WORDS] = kind;
      if (kind === NUMBER) numbers[at * SLOT_DOUBLES + NUMBER_AT] = number;
      else {
        ring[at * SLOT_WORDS + SIZE] = bytes.length;
        if (bytes.length > 0) this.#writeBytes(at, bytes, end);
      }
      if (hasPlace) this.#useGrant(slots);
      slots.advance();
    }
    ledger.leave();
    if (result === SENT) this.items.serve();
    return result;
  }

  /** What was granted to this thread is free again; the lock is ours, so nobody else gets it. */
  #useGrant(end: ChannelEnd): void {
    end.noteRelease(1, ownId());
    end.ledger.commit();
  }

  /** Where `size` more bytes in one piece end, counted from the first of all, or -1. Inside the lock of the senders. */
  #endOf(size: number): number {
    const { slots, items, bytes } = this.state;
    const written = slots[BYTES_DONE] as number;
    const length = bytes.length;
    const start = written & (length - 1);
    const end = written + (start + size <= length ? 0 : length - start) + size;
    if (size > length) return -1;
    const isRoom = ((end - Atomics.load(items, BYTES_DONE)) | 0) <= length || this.slots.isEmpty;
    return isRoom ? end >>> 0 : -1;
  }

  #writeBytes(at: number, bytes: Uint8Array, end: number): void {
    const { state } = this;
    state.bytes.set(bytes, (end - bytes.length) & (state.bytes.length - 1));
    state.numbers[at * SLOT_DOUBLES + NUMBER_AT] = end;
    state.slots[BYTES_DONE] = end;                         // of one who dies here they are left out
  }

  /** Takes a message out. @param isGranted it was granted to this thread */
  take(isGranted: boolean): unknown {
    const { items } = this;
    const { ledger } = items;
    ledger.enter();
    if (!isGranted && !items.mayPass()) {
      const { isClosed } = items;
      if (isClosed) items.pass();                          // nobody waits any more; what is there now is all that comes
      if (!isClosed || !items.mayPass()) {
        ledger.leave();
        return isClosed ? END : NOTHING;
      }
    }
    const { ring, numbers } = this.state;
    const at = items.done & this.#mask;
    const kind = ring[at * SLOT_WORDS] as number;
    const size = kind === NUMBER ? 0 : (ring[at * SLOT_WORDS + SIZE] as number);
    const number = numbers[at * SLOT_DOUBLES + NUMBER_AT] as number;
    const bytes = size === 0 ? EMPTY : this.#readBytes(number, size);
    if (isGranted) this.#useGrant(items);
    items.advance();
    if (size > 0) this.#giveRoom(number | 0);
    ledger.leave();
    this.slots.serve();
    return decode(kind, number, bytes);
  }

  #giveRoom(end: number): void {
    const { items } = this.state;
    Atomics.store(items, BYTES_DONE, end);                 // pairs with the load in #endOf()
    if (Atomics.load(items, ROOM_WANTED) === 0) return;
    Atomics.store(items, ROOM_WANTED, 0);
    Atomics.notify(items, BYTES_DONE);
  }

  /** Bytes that are given back from here on are told to whoever waits. @returns what the word says until then */
  wantRoom(): number {
    const { items } = this.state;
    Atomics.store(items, ROOM_WANTED, 1);                  // before the look; pairs with the store in #giveRoom()
    return Atomics.load(items, BYTES_DONE);
  }

  #readBytes(end: number, size: number): Uint8Array {
    const { bytes } = this.state;
    const start = (end - size) & (bytes.length - 1);
    return bytes.slice(start, start + size);
  }

  get length(): number {
    return this.items.available;
  }

  get isClosed(): boolean {
    return this.slots.isClosed;
  }

  /** No more sends; what lies there can still be received. */
  close(): void {
    this.slots.close();
    this.items.serve();
    this.closing.close();
  }

  get senderCount(): number {
    return MAX_SENDERS - this.senders.available;
  }

  get weakCount(): number {
    return MAX_SENDERS - this.#weaks.available;
  }

  addSender(): void {
    this.senders.request(1, false);
  }

  /** One more sender, if there is one. */
  upgrade(): boolean {
    const { senders } = this;
    const { ledger } = senders;
    senders.reclaim();
    ledger.enter();
    const isAny = senders.count() < MAX_SENDERS;
    if (isAny) {
      senders.noteFree(-1);
      senders.noteHeld(ownId(), 1);
      ledger.commit();
    }
    ledger.leave();
    return isAny;
  }

  addWeak(): void {
    this.#weaks.request(1, false);
  }

  removeWeak(): void {
    this.#weaks.release(1);
  }

  /** What another thread is told of it. */
  pack(): State {
    const { state } = this;
    for (const words of [state.slots, state.items, state.others]) passedOn(words);
    return state;
  }

  /** One more sender, counted for this thread until it arrives at another, or until `over()` says that it will not. */
  depart(): { state: State; over: () => void } {
    this.addSender();
    const from = ownId();
    const ticket = new Int32Array(new SharedArrayBuffer(4));
    const over = (): void => {
      if (Atomics.compareExchange(ticket, 0, ON_ITS_WAY, GIVEN_UP) === ON_ITS_WAY) this.removeSender(from);
    };
    return { state: { ...this.pack(), from, ticket }, over };
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
    if (this.senderCount === 0 && !this.isClosed) this.close();
  };
}

const EMPTY = new Uint8Array(0);

function ringLength(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(capacity));
}

/** A message as bytes. @throws {TokiwaError} `TOKIWA_TOO_LARGE` | `TOKIWA_NOT_CLONEABLE` */
export function encodeMessage(value: unknown): Encoded {
  const encoded = encode(value);
  const { length } = encoded.bytes;
  if (length > BYTES) throw new TokiwaError("TOKIWA_TOO_LARGE", `a message of a shared channel may have at most ${BYTES} bytes, got ${length}: send a buffer as an argument instead`);
  return encoded;
}
