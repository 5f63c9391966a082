// mpsc: many senders, one receiver, and room for a number of messages in between: backpressure.
//
// The channel itself is channel.ts; here are the handles to it.

import { SendError, TrySendError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkDuration, checkInteger } from "../options.ts";
import { blockFor } from "../block-on.ts";
import { Channel, type Handle, Send, Slots } from "./channel.ts";
import { ChannelReceiver } from "./receiver.ts";
import { ChannelSender } from "./sender.ts";
import { SendWithin } from "./send-within.ts";
import { writable } from "./stream.ts";
import { isOwn } from "./waiters.ts";
import { WeakHandle } from "./weak.ts";

/** The most messages a channel can be given room for. */
const MAX_CAPACITY = 9_007_199_254_740_991;              // Number.MAX_SAFE_INTEGER, which a bundler would keep

/** A place in the channel, taken in advance: sending with it never waits and never fails. */
export class Permit<T> implements Disposable {
  #handle: Handle<T> | null;

  /** @internal */
  constructor(handle: Handle<T>) {
    this.#handle = handle;
  }

  /**
   * Sends the message into the place. Also works after the receiver was closed; after it was disposed of the message is discarded.
   *
   * @throws {SendError} `TOKIWA_COMPLETED`, with the message in `value`, when the permit was used or released before
   */
  send(value: T): void {
    const handle = this.#handle;
    if (handle === null) throw new SendError(value, "this permit was used or released already: reserve another one", "TOKIWA_COMPLETED");
    this.#handle = null;
    handle.channel.held--;
    handle.channel.push(value);
    handle.unhold();
  }

  /** Gives the place back unused. Nothing happens when the permit was used or released before. */
  release(): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    handle.channel.unhold(1);
    handle.unhold();
  }

  /** @internal */
  get isHandedByTokiwa(): true {
    return true;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function permits<T>(handle: Handle<T>, count: number): Permit<T>[] {
  handle.hold(count);
  return Array.from({ length: count }, () => new Permit(handle));
}

class Reserve<T> extends Slots<Permit<T>> {
  protected get count(): number {
    return 1;
  }

  protected taken(): Permit<T> {
    this.handle.hold(1);
    return new Permit(this.handle as Handle<T>);
  }

  protected refused(): undefined {
    return undefined;
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "room in an mpsc channel";
  }
}

class ReserveMany<T> extends Slots<Permit<T>[]> {
  readonly #count: number;

  constructor(handle: Handle<T>, count: number) {
    super(handle as Handle<unknown>);
    this.#count = count;
  }

  protected get count(): number {
    return this.#count;
  }

  protected taken(): Permit<T>[] {
    return permits(this.handle as Handle<T>, this.#count);
  }

  protected refused(): undefined {
    return undefined;
  }

  override describe(): string {
    return `room for ${this.#count} in an mpsc channel`;
  }
}

/** The sending half of a bounded channel. Clone it for every producer, and close each: the receiver's end comes with the last. */
export class Sender<T> extends ChannelSender<T, Sender<T>> {
  readonly #handle: Handle<T>;

  /** @internal */
  constructor(channel: Channel<T>) {
    super(channel);
    this.#handle = this.handle;
  }

  /**
   * Sends when there is room; those who wait are served first come, first served.
   *
   * Rejects with `SendError` `TOKIWA_CLOSED`, the message in `value`, when the receiver is closed. Cancel safe in
   * that a dropped send has not sent, but the message goes with it and the place in the line is lost: `reserve()` first if that matters.
   *
   * @example yield* tx.send(job);
   */
  send(value: T): Future<void> {
    const handle = this.#handle;
    const { spare } = handle;
    if (!isOwn(spare)) return new Send(handle, value);
    handle.spare = null;
    spare.renew(value);
    return spare;
  }

  /**
   * Sends if there is room now.
   *
   * @throws {TrySendError} `TOKIWA_FULL` or `TOKIWA_CLOSED`, with the message in `value`
   */
  trySend(value: T): void {
    this.#take(1, value);
    this.#handle.channel.push(value);
  }

  /** Takes slots now, or says why not. */
  #take(count: number, value: T | undefined): void {
    const handle = this.#handle;
    const { channel } = handle;
    if (handle.isShut) throw new TrySendError(value);
    if (channel.free < count) throw new TrySendError(value, count > 1 ? `no room for ${count} messages` : "no available capacity", "TOKIWA_FULL");
    channel.free -= count;
  }

  /**
   * Sends when there is room, if that is within `ms` milliseconds from the first poll.
   *
   * Rejects with `SendTimeoutError` (a `TimeoutError`) when the time is over, with `SendError` when the receiver is closed;
   * both have the message in `value`. Needs a runtime, for its clock.
   */
  sendTimeout(value: T, ms: number): Future<void> {
    checkDuration("ms", ms);
    return new SendWithin(new Send(this.#handle, value), value, ms);
  }

  /**
   * Runs the current runtime on this thread until there is room, and sends; outside of tasks.
   *
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   * @throws {SendError} when the receiver is closed
   */
  blockingSend(value: T): void {
    blockFor("blockingSend()", new Send(this.#handle, value));
  }

  /** Waits for room and takes it. Cancel safe, but the place in the line is lost. Rejects with `SendError` when the receiver is closed. */
  reserve(): Future<Permit<T>> {
    return new Reserve<T>(this.#handle as Handle<unknown>);
  }

  /** @throws {TrySendError} `TOKIWA_FULL` or `TOKIWA_CLOSED` */
  tryReserve(): Permit<T> {
    return this.tryReserveMany(1)[0] as Permit<T>;
  }

  /** Waits for room for `n` messages and takes it. Rejects with `SendError` when the receiver is closed, or `n` is more than the capacity. */
  reserveMany(n: number): Future<Permit<T>[]> {
    return new ReserveMany(this.#handle, checkInteger("n", n, 0, MAX_CAPACITY));
  }

  /** @throws {TrySendError} `TOKIWA_FULL` (also when `n` is more than the capacity) or `TOKIWA_CLOSED` */
  tryReserveMany(n: number): Permit<T>[] {
    checkInteger("n", n, 0, MAX_CAPACITY);
    this.#take(n, undefined);
    this.#handle.channel.held += n;
    return permits(this.#handle, n);
  }

  /** A handle that does not keep the channel open. */
  downgrade(): WeakSender<T> {
    return new WeakSender(this.#handle.channel);
  }

  protected another(channel: Channel<T>): Sender<T> {
    return makeSender(channel);
  }

  protected get kind(): string {
    return "Sender";
  }

  /** For how many messages there is room now. */
  get capacity(): number {
    return this.#handle.channel.free;
  }

  /** For how many messages there is room when it is empty. */
  get maxCapacity(): number {
    return this.#handle.channel.capacity;
  }

  /** A stream into the channel, which owns this sender: closing or aborting it closes the sender. A full channel holds its writer back. */
  toWeb(): WritableStream<T> {
    return writable(
      (value: T) => new Send(this.#handle, value),
      () => this.close(),
    );
  }
}

/** A sender that does not keep the channel open, made by `downgrade()`. */
export class WeakSender<T> extends WeakHandle<Channel<T>, Sender<T>> {
  protected sender(channel: Channel<T>): Sender<T> {
    return new Sender(channel);
  }

  clone(): WeakSender<T> {
    return makeWeakSender(this.channel);
  }
}

/** The receiving half of a bounded channel. */
export class Receiver<T> extends ChannelReceiver<T> {
  readonly #channel: Channel<T>;

  /** @internal */
  constructor(channel: Channel<T>) {
    super(channel);
    this.#channel = channel;
  }

  /** For how many messages there is room now. */
  get capacity(): number {
    return this.#channel.free;
  }

  /** For how many messages there is room when it is empty. */
  get maxCapacity(): number {
    return this.#channel.capacity;
  }
}

// The bundler renames a class that names itself, and it would print as "_Sender": so functions make them.
function makeSender<T>(channel: Channel<T>): Sender<T> {
  return new Sender(channel);
}

function makeWeakSender<T>(channel: Channel<T>): WeakSender<T> {
  return new WeakSender(channel);
}

/**
 * A channel with room for `capacity` messages. Senders wait while it is full, so a fast producer goes at its consumer's pace.
 *
 * @param capacity 1 to 2^53 - 1; memory is taken as messages come
 * @example
 * const [tx, rx] = mpsc<string>(100);
 * spawn(function* () {
 *   for (const line of lines) yield* tx.send(line);
 *   tx.close();
 * });
 * for await (const line of rx) console.log(line);
 */
export function mpsc<T>(capacity: number): [Sender<T>, Receiver<T>] {
  const channel = new Channel<T>(checkInteger("capacity", capacity, 1, MAX_CAPACITY));
  return [new Sender(channel), new Receiver(channel)];
}
