// SharedSemaphore, SharedNotify, SharedBarrier: permits in shared memory under their usual names.

import { AcquireError, TryAcquireError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkInteger } from "../options.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";
import { lazy } from "../task/lazy.ts";
import { needSharedMemory, Permits, SPARE, Take } from "./permits.ts";

/** Most permits a semaphore may have. */
const MAX_PERMITS = 0x3fffffff;

function closed(): never {
  throw new AcquireError();
}

/** Permits of a `SharedSemaphore`, to be given back. */
export class SharedPermit implements Disposable {
  readonly #permits: Permits;
  #count: number;

  /** @internal */
  constructor(permits: Permits, count: number) {
    this.#permits = permits;
    this.#count = count;
  }

  get count(): number {
    return this.#count;
  }

  /** Gives them back. Again: nothing happens. */
  release(): void {
    const count = this.#count;
    this.#count = 0;
    if (count > 0) this.#permits.release(count);
  }

  /** Takes them out of the semaphore for good. */
  forget(): void {
    const count = this.#count;
    this.#count = 0;
    if (count > 0) this.#permits.forget(count);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * A fair semaphore for several threads. Pass it as an argument; every copy is the same semaphore.
 *
 * What a thread holds when it dies is given back. Needs SharedArrayBuffer.
 *
 * @example
 * const gate = new SharedSemaphore(2);
 * await pool.exec(async (gate) => { using permit = await gate.acquire(); }, gate);
 */
export class SharedSemaphore {
  readonly #permits: Permits;
  static readonly MAX_PERMITS: number = MAX_PERMITS;

  /** @throws {TokiwaError} `TOKIWA_NO_SHARED_MEMORY` */
  constructor(permits: number) {
    packablesExist();
    if ((permits as unknown) instanceof Int32Array) {
      this.#permits = new Permits(permits);
      return;
    }
    checkInteger("permits", permits, 0, MAX_PERMITS);
    needSharedMemory("SharedSemaphore");
    this.#permits = new Permits(permits);
  }

  /** Waits for a permit, first come, first served. Cancel safe. @throws {AcquireError} once closed */
  acquire(): Future<SharedPermit> {
    return this.acquireMany(1);
  }

  acquireMany(count: number): Future<SharedPermit> {
    checkInteger("count", count, 0, MAX_PERMITS);
    return new Take(this.#permits, count, "a permit of a SharedSemaphore", () => new SharedPermit(this.#permits, count), closed);
  }

  /** @throws {TryAcquireError} `TOKIWA_NO_PERMITS` | `TOKIWA_CLOSED` */
  tryAcquire(): SharedPermit {
    return this.tryAcquireMany(1);
  }

  tryAcquireMany(count: number): SharedPermit {
    checkInteger("count", count, 0, MAX_PERMITS);
    if (this.#permits.isClosed) throw new TryAcquireError("TOKIWA_CLOSED", "semaphore closed");
    if (!this.#permits.tryTake(count)) throw new TryAcquireError("TOKIWA_NO_PERMITS", `no ${count} permits are free`);
    return new SharedPermit(this.#permits, count);
  }

  /** Waits on this thread, which must be allowed to block. */
  blockingAcquire(count = 1): SharedPermit {
    checkInteger("count", count, 0, MAX_PERMITS);
    this.#permits.takeBlocking(count, "blockingAcquire()");
    return new SharedPermit(this.#permits, count);
  }

  addPermits(count: number): void {
    checkInteger("count", count, 0, MAX_PERMITS - this.availablePermits);
    this.#permits.release(count, 0);
  }

  /** Everyone who waits, and who comes later, gets an `AcquireError`. */
  close(): void {
    this.#permits.close();
  }

  get availablePermits(): number {
    return this.#permits.available;
  }

  get isClosed(): boolean {
    return this.#permits.isClosed;
  }

  /** @internal */
  [PACK](): { type: string; state: unknown } {
    return { type: "semaphore", state: this.#permits.words };
  }
}

/** Wakes waiters on any thread. `notifyOne()` without a waiter is kept for the next one. Needs SharedArrayBuffer. */
export class SharedNotify {
  readonly #permits: Permits;

  /** @throws {TokiwaError} `TOKIWA_NO_SHARED_MEMORY` */
  constructor() {
    packablesExist();
    needSharedMemory("SharedNotify");
    this.#permits = new Permits(given ?? 0, false);
  }

  /** Waits for a notification; its place in the queue is that of its first poll. Cancel safe. */
  notified(): Future<void> {
    return new Take(this.#permits, 1, "a SharedNotify", () => undefined, closed);
  }

  blockingNotified(): void {
    this.#permits.takeBlocking(1, "blockingNotified()");
  }

  notifyOne(): void {
    this.#permits.signal(false);
  }

  notifyWaiters(): void {
    this.#permits.signal(true);
  }

  /** @internal */
  [PACK](): { type: string; state: unknown } {
    return { type: "notify", state: this.#permits.words };
  }
}

/** Lets `n` waiters on any threads go on together; one of them is the leader. Needs SharedArrayBuffer. */
export class SharedBarrier {
  readonly #n: number;
  /** Rounds take turns: who comes back early must not take a place of the round before. */
  readonly #gates: [Permits, Permits];

  /** @throws {TokiwaError} `TOKIWA_NO_SHARED_MEMORY` */
  constructor(n: number) {
    packablesExist();
    this.#n = Math.max(1, checkInteger("n", n, 0, MAX_PERMITS));
    needSharedMemory("SharedBarrier");
    const gates = given as unknown as [Int32Array, Int32Array] | undefined;
    this.#gates = [new Permits(gates?.[0] ?? 0, false), new Permits(gates?.[1] ?? 0, false)];
  }

  /** Not cancel safe: who has come is counted. */
  wait(): Future<{ isLeader: boolean }> {
    return lazy(() => {
      const round = this.#arrive();
      if (round < 0) return { isLeader: true };
      return new Take(this.#gates[round & 1] as Permits, 1, "a SharedBarrier", () => ({ isLeader: false }), closed);
    }) as Future<{ isLeader: boolean }>;
  }

  blockingWait(): { isLeader: boolean } {
    const round = this.#arrive();
    if (round < 0) return { isLeader: true };
    (this.#gates[round & 1] as Permits).takeBlocking(1, "blockingWait()");
    return { isLeader: false };
  }

  /** The round, or -1 for its leader, who has opened the gate. */
  #arrive(): number {
    const [first] = this.#gates;
    const { words } = first;
    first.enter();
    const round = words[SPARE + 1] as number;
    const isLast = ++words[SPARE]! === this.#n;
    if (isLast) {
      words[SPARE] = 0;
      words[SPARE + 1] = (round + 1) & 1;
    }
    first.leave();
    if (!isLast) return round;
    (this.#gates[round & 1] as Permits).release(this.#n - 1, 0);
    return -1;
  }

  /** @internal */
  [PACK](): { type: string; state: unknown } {
    return { type: "barrier", state: [this.#n, this.#gates[0].words, this.#gates[1].words] };
  }
}

/** What the constructor being called rebuilds; undefined when it makes something new. */
let given: Int32Array | undefined;

function rebuild<T>(state: unknown, make: () => T): T {
  given = state as Int32Array;
  try {
    return make();
  } finally {
    given = undefined;
  }
}

registerPackable("semaphore", (words: Int32Array) => new SharedSemaphore(words as unknown as number));
registerPackable("notify", (words: Int32Array) => rebuild(words, () => new SharedNotify()));
registerPackable("barrier", ([n, a, b]: [number, Int32Array, Int32Array]) => rebuild([a, b], () => new SharedBarrier(n)));

