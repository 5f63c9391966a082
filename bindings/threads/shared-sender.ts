// The sending end of a shared channel, and the one that does not keep it open.

import { SendError, TokiwaError, TrySendError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkAlike, checkDuration, checkInteger } from "../options.ts";
import { pumpPools } from "../workers/parking.ts";
import { PACK, packablesExist } from "../workers/sendable.ts";
import { SendWithin } from "../sync/send-within.ts";
import { lazy } from "../task/lazy.ts";
import { type Far, noSharedMemory, packOwn, type Packed, portTo, remote } from "./far.ts";
import { checkMayBlock, pauseThread, refuseStuck } from "./blocking.ts";
import { Channel, CLOSED, encodeMessage, NO_PLACE, NO_ROOM, SENT } from "./channel.ts";
import { ownCopy, permitsFar, reserveFar } from "./channel-home.ts";
import { closedOf, Reserve, reserveNow, Send } from "./channel-waits.ts";
import type { SharedSendPermit } from "./send-permit.ts";
import { SenderHandle } from "./sender-handle.ts";

function nothing(): void {}

function first<T>([only]: T[]): T {
  return only as T;
}

function all<T>(values: T[]): T[] {
  return values;
}

/** The sending end of a shared channel. Passing it to another thread makes one more; close each. */
export class SharedSender<T> implements Disposable {
  readonly #handle!: SenderHandle;
  readonly #far: Far | undefined;
  #isFarOpen = true;

  /** @internal */
  constructor(channel: Channel | Far) {
    packablesExist();
    if (channel instanceof Channel) this.#handle = new SenderHandle(channel);
    else this.#far = channel;
  }

  /** Of a sender that lives elsewhere, unless it was closed. */
  #ask<R>(value: unknown, ask: (far: Far, own: unknown) => Future<R>): Future<R> {
    let refusal: unknown;
    try {
      if (!this.#isFarOpen) throw new SendError(value);
      return ask(this.#far!, ownCopy(this.#far!, value));
    } catch (error) {
      refusal = error;
    }
    return lazy(() => {
      throw refusal;
    });
  }

  /** Waits for room. Cancel safe: a dropped send has sent nothing. Rejects with `SendError` when the channel is closed. */
  send(value: T): Future<void> {
    if (this.#far !== undefined) return this.#ask(value, (far, own) => far.ask("send", [own], nothing));
    return new Send(this.#handle, value);
  }

  /**
   * Waits for room, at most `ms` milliseconds from the first poll.
   *
   * Rejects with `SendTimeoutError` (a `TimeoutError`) when the time is over, with `SendError` when the channel is closed.
   */
  sendTimeout(value: T, ms: number): Future<void> {
    checkDuration("ms", ms);
    if (this.#far !== undefined) return this.#ask(value, (far, own) => far.ask("sendTimeout", [own, ms], nothing));
    return new SendWithin(new Send(this.#handle, value), value, ms);
  }

  /** @throws {TrySendError} `TOKIWA_FULL` | `TOKIWA_CLOSED`, with the value */
  trySend(value: T): void {
    if (this.#far !== undefined) return this.#far.now("trySend()", "trySend", ownCopy(this.#far, value));
    const { isOpen, channel } = this.#handle;
    let result = CLOSED;
    if (isOpen) {
      const encoded = encodeMessage(value);
      result = channel.put(encoded, false);
      if (result === NO_PLACE) {
        channel.slots.reclaim();
        result = channel.put(encoded, false);
      }
    }
    if (result === CLOSED) throw new TrySendError(value, "channel closed");
    if (result !== SENT) throw new TrySendError(value, "no room in the channel", "TOKIWA_FULL");
  }

  /** Waits on this thread, which must be allowed to block. @throws {SendError} when closed @throws {DeadlockError} when it was passed to no other thread */
  blockingSend(value: T): void {
    if (this.#far !== undefined) noSharedMemory("blockingSend()");
    const { isShut, channel } = this.#handle;
    if (isShut) throw new SendError(value);
    checkMayBlock("blockingSend()");
    let encoded = encodeMessage(value);
    let result = channel.put(encoded, false);
    if (result !== SENT) encoded = { ...encoded };         // what is pumped while this waits may encode messages of its own
    const hasPlace = result === NO_PLACE;
    if (hasPlace) {
      try {
        channel.slots.takeBlocking(1, "blockingSend()");
      } catch (error) {
        throw channel.isClosed ? new SendError(value) : error;
      }
      result = NO_ROOM;
    }
    for (let isFirst = hasPlace; result === NO_ROOM || result === NO_PLACE; isFirst = false) {
      if (!isFirst) {
        refuseStuck(channel.state.slots, "blockingSend()", () => {
          if (hasPlace) channel.slots.release(1);
        });
        pauseThread();
        pumpPools();                                       // who receives may be a job that has not been posted yet
      }
      result = channel.put(encoded, hasPlace);
    }
    if (result === CLOSED) throw new SendError(value);
  }

  /** Waits for a place and takes it. Cancel safe, but the place in the line is lost. Rejects with `SendError` when the channel is closed. */
  reserve(): Future<SharedSendPermit<T>> {
    return this.#reserve(1, first);
  }

  /** Waits for `n` places and takes them. Rejects with `SendError` when the channel is closed, or `n` is more than the capacity. */
  reserveMany(n: number): Future<SharedSendPermit<T>[]> {
    return this.#reserve(checkInteger("n", n, 0, Number.MAX_SAFE_INTEGER), all);
  }

  #reserve<R>(count: number, give: (permits: SharedSendPermit<T>[]) => R): Future<R> {
    if (this.#far !== undefined) return this.#ask(undefined, (far) => reserveFar<T, R>(far, count, give));
    return new Reserve<T, R>(this.#handle, count, give);
  }

  /** @throws {TrySendError} `TOKIWA_FULL` | `TOKIWA_CLOSED` */
  tryReserve(): SharedSendPermit<T> {
    return first(this.tryReserveMany(1));
  }

  /** @throws {TrySendError} `TOKIWA_FULL` (also when `n` is more than the capacity) | `TOKIWA_CLOSED` */
  tryReserveMany(n: number): SharedSendPermit<T>[] {
    checkInteger("n", n, 0, Number.MAX_SAFE_INTEGER);
    if (this.#far !== undefined) return permitsFar(this.#far, this.#far.now("tryReserve()", "tryReserve", n));
    return reserveNow(this.#handle, n);
  }

  /** Waits until the channel is closed. Cancel safe. */
  closed(): Future<void> {
    return this.#far?.ask("closed", [], nothing) ?? closedOf(this.#handle.channel);
  }

  /** One more sender. @throws {TokiwaError} `TOKIWA_CLOSED` when this one was closed */
  clone(): SharedSender<T> {
    this.#checkOpen();
    const far = this.#far;
    if (far !== undefined) return sender(remote(portTo(far)));
    const { channel } = this.#handle;
    channel.addSender();
    return sender(channel);
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new TokiwaError("TOKIWA_CLOSED", "this sender was closed: clone it before, or keep a weak one");
  }

  get #isOpen(): boolean {
    return this.#far === undefined ? this.#handle.isOpen : this.#isFarOpen;
  }

  /** A handle that does not keep the channel open. */
  downgrade(): SharedWeakSender<T> {
    if (this.#far !== undefined) noSharedMemory("downgrade()");
    return new SharedWeakSender(this.#handle.channel);
  }

  sameChannel(other: SharedSender<T>): boolean {
    const theirs = checkAlike<SharedSender<T>>("other", other, this, "SharedSender");
    if (this.#far !== undefined || theirs.#far !== undefined) noSharedMemory("sameChannel()");
    return theirs.#handle.channel.state.id === this.#handle.channel.state.id;
  }

  /** This sender sends no more; its permits, and sends that wait, stay good. When the last one is closed, receivers get what is left and then `undefined`. Idempotent. */
  close(): void {
    if (this.#far === undefined) this.#handle.close();
    else if (this.#isFarOpen) this.#far.tell("closeSender");
    this.#isFarOpen = false;
  }

  /** Whether a message sent now would be refused. */
  get isClosed(): boolean {
    if (this.#far === undefined) return this.#handle.isShut;
    return !this.#isFarOpen || this.#far.now("isClosed", "isClosed");
  }

  /** For how many messages there is a place now. */
  get capacity(): number {
    if (this.#far !== undefined) return this.#far.now("capacity", "capacity");
    return this.#handle.channel.slots.available;
  }

  get maxCapacity(): number {
    if (this.#far !== undefined) return this.#far.now("maxCapacity", "maxCapacity");
    return this.#handle.channel.state.capacity;
  }

  /** How many senders there are, with those that are on their way to a thread. */
  get strongCount(): number {
    if (this.#far !== undefined) return this.#far.now("strongCount", "strongCount");
    return this.#handle.channel.senderCount;
  }

  get weakCount(): number {
    if (this.#far !== undefined) return this.#far.now("weakCount", "weakCount");
    return this.#handle.channel.weakCount;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal The one that is on its way is counted until it arrives. */
  [PACK](): Packed {
    this.#checkOpen();
    if (this.#far !== undefined) return packOwn("sender", this.#far);
    return { type: "sender", ...this.#handle.channel.depart() };
  }
}

// The bundler renames a class that names itself.
function sender<T>(channel: Channel | Far): SharedSender<T> {
  return new SharedSender(channel);
}

/** A sender that does not keep the channel open, made by `downgrade()`. It travels as an argument, too. */
export class SharedWeakSender<T> implements Disposable {
  readonly #channel: Channel;
  #isOpen = true;

  /** @internal */
  constructor(channel: Channel) {
    this.#channel = channel;
    channel.addWeak();
  }

  /** A sender, or `undefined` when all senders are closed. */
  upgrade(): SharedSender<T> | undefined {
    return this.#isOpen && this.#channel.upgrade() ? sender(this.#channel) : undefined;
  }

  clone(): SharedWeakSender<T> {
    return weakSender(this.#channel);
  }

  /** Gives this handle up. Idempotent. */
  close(): void {
    if (this.#isOpen) this.#channel.removeWeak();
    this.#isOpen = false;
  }

  get strongCount(): number {
    return this.#channel.senderCount;
  }

  get weakCount(): number {
    return this.#channel.weakCount;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  [PACK](): Packed {
    return { type: "weakSender", state: this.#channel.pack() };
  }
}

function weakSender<T>(channel: Channel): SharedWeakSender<T> {
  return new SharedWeakSender(channel);
}
