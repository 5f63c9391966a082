// SharedSemaphore, SharedNotify, SharedBarrier: permits in shared memory under their usual names.

import { AcquireError, TryAcquireError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkInteger } from "../options.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";
import { lazy } from "../task/lazy.ts";
import { Barrier } from "../sync/barrier.ts";
import { Notify } from "../sync/notify.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { canShare } from "../workers/transport.ts";
import { atHome, type Far, type Home, isPort, Mapped, noSharedMemory, packFar, type Packed, remote } from "./far.ts";
import { passedOn } from "./hold.ts";
import { Permits } from "./permits.ts";
import { Rounds } from "./rounds.ts";
import { Take } from "./take.ts";

/** Most permits a semaphore may have. */
const MAX_PERMITS = 0x3fffffff;

function closed(): never {
  throw new AcquireError();
}

/** Where permits go back to. */
interface Lender {
  release(count: number): void;
  forget(count: number): void;
}

function lenderFar(far: Far, token: number): Lender {
  return { release: () => far.tell("release", token), forget: () => far.tell("forget", token) };
}

/** Permits of a `SharedSemaphore`, to be given back. */
export class SharedPermit implements Disposable {
  readonly #permits: Lender;
  #count: number;

  /** @internal */
  constructor(permits: Lender, count: number) {
    this.#permits = permits;
    this.#count = count;
  }

  /** @internal A join that is dropped gives it back. */
  get isHandedByTokiwa(): true {
    return true;
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
 * What a thread holds when it dies is given back. Without SharedArrayBuffer it lives on the thread that made it.
 *
 * @example
 * const gate = new SharedSemaphore(2);
 * await pool.exec(async (gate) => { using permit = await gate.acquire(); }, gate);
 */
export class SharedSemaphore {
  readonly #permits!: Permits;
  readonly #far: Far | undefined;
  static readonly MAX_PERMITS: number = MAX_PERMITS;

  constructor(permits: number) {
    packablesExist();
    checkInteger("permits", permits, 0, MAX_PERMITS);
    if (given !== undefined) this.#permits = new Permits(given);
    else if (farGiven !== undefined || !canShare()) this.#far = farGiven ?? atHome(semaphoreHome(permits));
    else this.#permits = new Permits(Permits.make({ permits }));
  }

  /** Waits for a permit, first come, first served. Cancel safe. @throws {AcquireError} once closed */
  acquire(): Future<SharedPermit> {
    return this.acquireMany(1);
  }

  acquireMany(count: number): Future<SharedPermit> {
    checkInteger("count", count, 0, MAX_PERMITS);
    const far = this.#far;
    if (far !== undefined) {
      return far.ask<number, SharedPermit>("acquire", [count], (token) => new SharedPermit(lenderFar(far, token), count), (token) => far.tell("release", token));
    }
    return new Take(this.#permits, count, "a permit of a SharedSemaphore", () => this.#taken(count), closed);
  }

  /** @throws {TryAcquireError} `TOKIWA_NO_PERMITS` | `TOKIWA_CLOSED` */
  tryAcquire(): SharedPermit {
    return this.tryAcquireMany(1);
  }

  tryAcquireMany(count: number): SharedPermit {
    checkInteger("count", count, 0, MAX_PERMITS);
    const far = this.#far;
    if (far !== undefined) return new SharedPermit(lenderFar(far, far.now("tryAcquire()", "tryAcquire", count)), count);
    if (this.#permits.isClosed) throw new TryAcquireError("TOKIWA_CLOSED", "semaphore closed");
    if (!this.#permits.tryTake(count)) throw new TryAcquireError("TOKIWA_NO_PERMITS", `no ${count} permits are free`);
    return new SharedPermit(this.#permits, count);
  }

  /** Waits on this thread, which must be allowed to block. @throws {DeadlockError} when it was passed to no other thread */
  blockingAcquire(count = 1): SharedPermit {
    checkInteger("count", count, 0, MAX_PERMITS);
    if (this.#far !== undefined) noSharedMemory("blockingAcquire()");
    this.#permits.takeBlocking(count, "blockingAcquire()");
    return this.#taken(count);
  }

  /** Once it is closed what is free is nobody's: messages in a channel are, which have the same permits. */
  #taken(count: number): SharedPermit {
    const permits = this.#permits;
    if (!permits.isClosed) return new SharedPermit(permits, count);
    permits.release(count);
    return closed();
  }

  addPermits(count: number): void {
    if (this.#far !== undefined) {
      this.#far.tell("add", checkInteger("count", count, 0, MAX_PERMITS));
      return;
    }
    checkInteger("count", count, 0, MAX_PERMITS - this.availablePermits);
    this.#permits.release(count, 0);
  }

  /** Everyone who waits, and who comes later, gets an `AcquireError`. */
  close(): void {
    if (this.#far !== undefined) this.#far.tell("close");
    else this.#permits.close();
  }

  get availablePermits(): number {
    if (this.#far !== undefined) return this.#far.now("availablePermits", "available");
    return this.#permits.available;
  }

  get isClosed(): boolean {
    if (this.#far !== undefined) return this.#far.now("isClosed", "isClosed");
    return this.#permits.isClosed;
  }

  /** @internal */
  [PACK](): Packed {
    if (this.#far !== undefined) return packFar("semaphore", this.#far);
    return { type: "semaphore", state: passedOn(this.#permits.words) };
  }
}

/** Wakes waiters on any thread. `notifyOne()` without a waiter is kept for the next one. Without SharedArrayBuffer it lives on the thread that made it. */
export class SharedNotify {
  readonly #rounds!: Rounds;
  readonly #far: Far | undefined;

  constructor() {
    packablesExist();
    if (farGiven !== undefined || !canShare()) this.#far = farGiven ?? atHome(notifyHome());
    else this.#rounds = new Rounds(given ?? Permits.make({ permits: 0, tracks: false, keepsOne: true }));
  }

  /**
   * Waits for a notification; its place in the queue is that of its first poll.
   *
   * Cancel safe: a dropped wait passes on what it has got from `notifyOne()`, and nothing of `notifyWaiters()`.
   */
  notified(): Future<void> {
    const far = this.#far;
    if (far !== undefined) {
      return far.ask<boolean, void>("notified", [], () => undefined, (isOne) => {
        if (isOne) far.tell("one");
      });
    }
    return new Take(this.#rounds, this.#rounds.round, "a SharedNotify", () => undefined, closed);
  }

  /** Waits on this thread, which must be allowed to block. @throws {DeadlockError} when it was passed to no other thread */
  blockingNotified(): void {
    if (this.#far !== undefined) noSharedMemory("blockingNotified()");
    this.#rounds.takeBlocking(this.#rounds.round, "blockingNotified()");
  }

  notifyOne(): void {
    if (this.#far !== undefined) this.#far.tell("one");
    else this.#rounds.signal();
  }

  /** Wakes everyone who waits now, and each `notified()` that was called before. Nothing is kept. */
  notifyWaiters(): void {
    if (this.#far !== undefined) this.#far.tell("all");
    else this.#rounds.begin();
  }

  /** @internal */
  [PACK](): Packed {
    if (this.#far !== undefined) return packFar("notify", this.#far);
    return { type: "notify", state: passedOn(this.#rounds.words) };
  }
}

/** Lets `n` waiters on any threads go on together; one of them is the leader. Without SharedArrayBuffer it lives on the thread that made it. */
export class SharedBarrier {
  readonly #n: number;
  readonly #rounds!: Rounds;
  readonly #far: Far | undefined;

  constructor(n: number) {
    packablesExist();
    this.#n = Math.max(1, checkInteger("n", n, 0, MAX_PERMITS));
    if (farGiven !== undefined || !canShare()) this.#far = farGiven ?? atHome(barrierHome(this.#n));
    else this.#rounds = new Rounds(given ?? Permits.make({ permits: 0, tracks: false }));
  }

  /** Who has come stays counted in this round, also when the wait is dropped or its thread dies: not cancel safe, as Tokio's. It stands in nobody's way in later rounds. */
  wait(): Future<{ isLeader: boolean }> {
    if (this.#far !== undefined) return this.#far.ask("wait", [], (result: { isLeader: boolean }) => result);
    return lazy(() => {
      const round = this.#rounds.arrive(this.#n);
      if (round === undefined) return { isLeader: true };
      return new Take(this.#rounds, round, "a SharedBarrier", () => ({ isLeader: false }), closed);
    }) as Future<{ isLeader: boolean }>;
  }

  /** Waits on this thread, which must be allowed to block. @throws {DeadlockError} when it was passed to no other thread */
  blockingWait(): { isLeader: boolean } {
    if (this.#far !== undefined) noSharedMemory("blockingWait()");
    const round = this.#rounds.arrive(this.#n);
    if (round !== undefined) this.#rounds.takeBlocking(round, "blockingWait()");
    return { isLeader: round === undefined };
  }

  /** @internal */
  [PACK](): Packed {
    if (this.#far !== undefined) return packFar("barrier", this.#far);
    return { type: "barrier", state: [this.#n, passedOn(this.#rounds.words)] };
  }
}

/** What the constructor being called rebuilds; undefined when it makes something new. */
let given: Int32Array | undefined;
let farGiven: Far | undefined;

function rebuild<T>(state: Int32Array | MessagePort, make: () => T): T {
  if (isPort(state)) farGiven = remote(state);
  else given = state;
  try {
    return make();
  } finally {
    given = farGiven = undefined;
  }
}

registerPackable("semaphore", (state: Int32Array | MessagePort) => rebuild(state, () => new SharedSemaphore(0)));
registerPackable("notify", (state: Int32Array | MessagePort) => rebuild(state, () => new SharedNotify()));
registerPackable("barrier", (state: [number, Int32Array] | MessagePort) =>
  isPort(state) ? rebuild(state, () => new SharedBarrier(1)) : rebuild(state[1], () => new SharedBarrier(state[0])),
);

function semaphoreHome(permits: number): Home {
  const semaphore = new Semaphore(permits);
  return {
    acquire: (client, count: number) =>
      new Mapped(semaphore.acquireMany(count), (permit) => client.hold(() => permit.release())),
    tryAcquire: (client, count: number) => {
      const permit = semaphore.tryAcquireMany(count);
      return client.hold(() => permit.release());
    },
    available: () => semaphore.availablePermits,
    isClosed: () => semaphore.isClosed,
    release: (client, token: number) => client.release(token),
    forget: (client, token: number) => client.forget(token),
    add: (_client, count: number) => semaphore.addPermits(count),
    close: () => semaphore.close(),
  };
}

function notifyHome(): Home {
  const notify = new Notify();
  let rounds = 0;
  return {
    /** Whether it got what notifyOne() gives. */
    notified: () => {
      const before = rounds;
      return new Mapped(notify.notified(), () => rounds === before);
    },
    one: () => notify.notifyOne(),
    all: () => {
      rounds++;
      notify.notifyWaiters();
    },
  };
}

function barrierHome(n: number): Home {
  const barrier = new Barrier(n);
  return { wait: () => new Mapped(barrier.wait(), ({ isLeader }) => ({ isLeader })) };
}
