// Waiting at a shared channel: to send, to reserve, to receive, and for its end.

import { SendError, TrySendError } from "../errors.ts";
import { Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { END, type Item } from "../sync/stream.ts";
import { type Channel, CLOSED, encodeMessage, NO_PLACE, NO_ROOM, NOTHING } from "./channel.ts";
import { FULL, NOW } from "./permits.ts";
import type { SenderHandle } from "./sender-handle.ts";
import { permitsOf, type SharedSendPermit } from "./send-permit.ts";
import { Room } from "./room.ts";
import { Take } from "./take.ts";

const ROOM = "room in a shared channel";

/** Holds its sender while it waits. */
abstract class Sending<R> extends Operation<R> {
  protected readonly handle: SenderHandle;
  #holds = false;

  constructor(handle: SenderHandle) {
    super();
    this.handle = handle;
  }

  protected get holds(): boolean {
    return this.#holds;
  }

  protected hold(): void {
    if (!this.#holds) this.handle.hold(1);
    this.#holds = true;
  }

  protected letGo(): void {
    if (this.#holds) this.handle.unhold();
    this.#holds = false;
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return ROOM;
  }
}

/** Waits for a place, and for room for bytes as well: places are free, but a few large messages fill the channel. */
export class Send<T> extends Sending<void> {
  readonly #value: T;
  #place: Take<boolean> | undefined;
  #hasPlace = false;
  #room: Room | undefined;

  constructor(handle: SenderHandle, value: T) {
    super(handle);
    this.#value = value;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (this.#place === undefined) {
      if (!proceed(waker)) return PENDING;
      const result = this.handle.isOpen || this.holds ? this.#put() : CLOSED;
      if (result !== NO_PLACE) return this.#outcome(result, waker);
      restore();
      this.hold();
      this.#room?.end();
      this.#place = new Take(this.handle.channel.slots, 1, ROOM, () => true, () => this.#refuse());
    }
    if (!this.#hasPlace) {
      if (this.#place.poll(waker) === PENDING) return PENDING;
      this.#hasPlace = true;
    }
    return this.#outcome(this.#put(), waker);
  }

  #put(): number {
    try {
      const result = this.#tryOnce();
      if (result !== NO_ROOM) return result;
      this.#room ??= new Room(this.handle.channel);
      this.#room.want();
      return this.#tryOnce();
    } catch (error) {
      this.#giveBack();
      throw error;
    }
  }

  #tryOnce(): number {
    return this.handle.channel.put(encodeMessage(this.#value), this.#hasPlace);
  }

  #outcome(result: number, waker: Waker): void | typeof PENDING {
    if (result === NO_ROOM) {
      this.hold();
      this.#room!.wait(waker);
      return PENDING;
    }
    this.#hasPlace = false;
    if (result === CLOSED) this.#refuse();
    this.letGo();
  }

  protected override letGo(): void {
    this.#room?.end();
    super.letGo();
  }

  #refuse(): never {
    this.letGo();
    throw new SendError(this.#value);
  }

  #giveBack(): void {
    if (this.#hasPlace) this.handle.channel.slots.release(1);
    this.#hasPlace = false;
    this.letGo();
  }

  override [Symbol.dispose](): void {
    this.#place?.[Symbol.dispose]();
    this.#giveBack();
  }
}

/** Waits for places, and makes permits of them. */
export class Reserve<T, R> extends Sending<R> {
  readonly #count: number;
  readonly #give: (permits: SharedSendPermit<T>[]) => R;
  #places: Take<boolean> | undefined;

  constructor(handle: SenderHandle, count: number, give: (permits: SharedSendPermit<T>[]) => R) {
    super(handle);
    this.#count = count;
    this.#give = give;
  }

  poll(waker: Waker): R | typeof PENDING {
    const { handle } = this;
    const { slots, isClosed, state } = handle.channel;
    if (this.#places === undefined) {
      if (!proceed(waker)) return PENDING;
      if (!handle.isOpen || isClosed || this.#count > state.capacity) throw new SendError(undefined);
      if (slots.request(this.#count, false) === NOW) return this.#granted();
      restore();
      this.hold();
      this.#places = new Take(slots, this.#count, ROOM, () => true, () => this.#refuse());
    }
    return this.#places.poll(waker) === PENDING ? PENDING : this.#granted();
  }

  #granted(): R {
    const { channel } = this.handle;
    if (channel.isClosed) {
      channel.slots.release(this.#count);
      this.#refuse();
    }
    const permits = permitsOf<T>(this.handle, this.#count);
    this.letGo();
    return this.#give(permits);
  }

  #refuse(): never {
    this.letGo();
    throw new SendError(undefined);
  }

  override [Symbol.dispose](): void {
    this.#places?.[Symbol.dispose]();
    this.letGo();
  }
}

/** @throws {TrySendError} */
export function reserveNow<T>(handle: SenderHandle, count: number): SharedSendPermit<T>[] {
  const { channel } = handle;
  const { slots } = channel;
  if (handle.isShut) throw new TrySendError<unknown>(undefined);
  let result = count > channel.state.capacity ? FULL : slots.request(count, false);
  if (result === FULL && count <= channel.state.capacity) {
    slots.reclaim();
    result = slots.request(count, false);
  }
  if (result === FULL) throw new TrySendError<unknown>(undefined, `no room for ${count} in the channel`, "TOKIWA_FULL");
  if (result === NOW && !channel.isClosed) return permitsOf(handle, count);
  if (result === NOW) slots.release(count);
  throw new TrySendError<unknown>(undefined);
}

/** Waits for a message. */
export class Receive<T> extends Operation<T | undefined> implements Item<T> {
  readonly #channel: Channel;
  #wait: Take<T | typeof END> | undefined;

  constructor(channel: Channel) {
    super();
    this.#channel = channel;
  }

  poll(waker: Waker): T | undefined | typeof PENDING {
    const value = this.pollItem(waker);
    return value === END ? undefined : (value as T);
  }

  pollItem(waker: Waker): T | typeof END | typeof PENDING {
    if (this.#wait === undefined) {
      if (!proceed(waker)) return PENDING;
      const channel = this.#channel;
      const value = channel.take(false);
      if (value !== NOTHING) return value as T | typeof END;
      restore();
      this.#wait = new Take<T | typeof END>(channel.items, 1, "a message of a shared channel", () => channel.take(true) as T, () => END, channel.checkSenders);
    }
    return this.#wait.poll(waker);
  }

  override [Symbol.dispose](): void {
    this.#wait?.[Symbol.dispose]();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "a message of a shared channel";
  }
}

/** Waits for a message, and takes those that lie behind it. */
export class ReceiveMany<T> extends Operation<number> {
  readonly #channel: Channel;
  readonly #first: Receive<T>;
  readonly #into: T[];
  readonly #limit: number;

  constructor(channel: Channel, into: T[], limit: number) {
    super();
    this.#channel = channel;
    this.#first = new Receive(channel);
    this.#into = into;
    this.#limit = limit;
  }

  poll(waker: Waker): number | typeof PENDING {
    const limit = this.#limit;
    if (limit === 0) return proceed(waker) ? 0 : PENDING;
    let value: unknown = this.#first.pollItem(waker);
    if (value === PENDING) return PENDING;
    let count = 0;
    while (value !== END && value !== NOTHING) {
      this.#into.push(value as T);
      if (++count === limit) break;
      value = this.#channel.take(false);
    }
    return count;
  }

  override [Symbol.dispose](): void {
    this.#first[Symbol.dispose]();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return this.#first.describe();
  }
}

/** Waits until a channel is closed: there is nothing to be had, so whoever waits is refused in the end. */
export function closedOf(channel: Channel): Take<void> {
  const check = (): void => {
    if (channel.isClosed) channel.closing.close();         // who closed it has died before it said so
  };
  return new Take<void>(channel.closing, 1, "closed() of a shared sender", () => undefined, () => undefined, check);
}
