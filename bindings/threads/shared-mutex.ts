// SharedMutex: a lock for threads, with a value that travels with it.
//
// The value lies in shared memory as bytes (codec.ts); locking decodes it, unlocking writes it back, beside the one that was there: which
// of the two counts (WHICH) changes together with the lock. So who locks sees what the last holder left. When a holder's thread dies,
// whenever that is, the lock is released, with the value as it was when that holder took it.

import { AcquireError, OptionError, TryLockError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkFunction } from "../options.ts";
import { lazy } from "../task/lazy.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";
import { decode, encode, NUMBER } from "./codec.ts";
import { checkCopied, copied } from "./copies.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { ownId } from "../workers/family.ts";
import { whole } from "../workers/inline.ts";
import { canShare } from "../workers/transport.ts";
import { atHome, type Far, type Home, isPort, Mapped, noSharedMemory, packFar, type Packed, remote } from "./far.ts";
import { passedOn } from "./hold.ts";
import { EXTRA } from "./ledger.ts";
import { Permits } from "./permits.ts";
import { Take } from "./take.ts";

/** Which value counts, 0 or 1. */
const WHICH = EXTRA;
// Of each value: [kind u32, length u32, start u32, -, number f64]; then come the bytes of both.
const VALUE_WORDS = 6;
const KIND = 0;
const LENGTH = 1;
const START = 2;
const NUMBER_AT = 2;                                       // in doubles
const HEADER = VALUE_WORDS * 4 * 2;
/** Bytes a value may take. Memory that is not used costs nothing where the host can grow shared buffers. */
const MAX_VALUE = 1 << 24;
const FIXED_VALUE = 1 << 16;
/** A value must fit before or behind the other one, wherever that is. */
const ROOM = 3;

type Growable = SharedArrayBuffer & { grow?(bytes: number): void; readonly maxByteLength?: number };

function newBuffer(): Growable {
  const Shared = SharedArrayBuffer as unknown as new (bytes: number, options?: { maxByteLength: number }) => Growable;
  return "grow" in SharedArrayBuffer.prototype ? new Shared(HEADER + 1024, { maxByteLength: HEADER + MAX_VALUE * ROOM }) : new Shared(HEADER + FIXED_VALUE * ROOM);
}

/** The value, and the right to change it. */
export class SharedMutexGuard<T> implements Disposable {
  value: T;
  #unlock: ((value: T) => void) | undefined;

  /** @internal */
  constructor(value: T, unlock: (value: T) => void) {
    this.value = value;
    this.#unlock = unlock;
  }

  /** @internal A join that is dropped gives it back. */
  get isHandedByTokiwa(): true {
    return true;
  }

  /** Writes the value back and lets the next one in. Again: nothing happens. */
  unlock(): void {
    const unlock = this.#unlock;
    this.#unlock = undefined;
    unlock?.(this.value);
  }

  [Symbol.dispose](): void {
    this.unlock();
  }
}

function closed(): never {
  throw new AcquireError("mutex closed");
}

/**
 * A lock for several threads, fair within a millisecond: whoever runs may take it first, but those who wait have their turn, first come,
 * first served, at least once in that time. Pass it as an argument; every copy is the same lock, and the value travels with it.
 *
 * When a thread dies that holds it, the lock is released with the value it was taken with. Without SharedArrayBuffer it
 * lives on the thread that made it; there only `lock()` and `withLock()` work.
 *
 * @example
 * const counter = new SharedMutex(0);
 * await pool.exec(async (counter) => { using guard = await counter.lock(); guard.value++; }, counter);
 */
export class SharedMutex<T = undefined> {
  readonly #permits!: Permits;
  readonly #data!: Growable;
  readonly #words!: Int32Array;
  readonly #float!: Float64Array;
  /** Without shared memory: the lock at home. */
  readonly #far: Far | undefined;

  /**
   * @param value anything that can be cloned, at most 16 MB as bytes; other shared primitives and shared memory are passed as arguments beside it
   * @throws {TokiwaError} `TOKIWA_NOT_CLONEABLE`
   */
  constructor(value?: T) {
    packablesExist();
    if (farGiven !== undefined || !canShare()) {
      this.#far = farGiven ?? atHome(mutexHome(copied(value)));
      return;
    }
    this.#permits = new Permits(given?.words ?? Permits.make({ permits: 1, overtakes: true }));
    this.#data = given?.data ?? newBuffer();
    this.#words = new Int32Array(this.#data, 0, VALUE_WORDS * 2);
    this.#float = new Float64Array(this.#data, 0, VALUE_WORDS);
    if (given === undefined) this.#permits.words[WHICH] = this.#write(value as T);
  }

  #read(): T {
    const which = this.#permits.words[WHICH] as number;
    const at = which * VALUE_WORDS;
    const words = this.#words;
    const kind = words[at + KIND] as number;
    if (kind === NUMBER) return whole(this.#float[(at >> 1) + NUMBER_AT] as number) as T;
    const start = HEADER + (words[at + START] as number);
    return decode(kind, 0, new Uint8Array(this.#data, start, words[at + LENGTH]).slice()) as T;
  }

  /** Writes the value that does not count. @returns which that is */
  #write(value: T): number {
    const which = 1 - (this.#permits.words[WHICH] as number);
    const at = which * VALUE_WORDS;
    const words = this.#words;
    if (typeof value === "number") {
      this.#float[(at >> 1) + NUMBER_AT] = value;
      words[at + KIND] = NUMBER;
      words[at + LENGTH] = 0;
      return which;
    }
    const { kind, bytes } = encode(value);
    const start = this.#place(bytes.length, (1 - which) * VALUE_WORDS);
    if (bytes.length > 0) new Uint8Array(this.#data, HEADER + start, bytes.length).set(bytes);
    words[at + START] = start;
    words[at + LENGTH] = bytes.length;
    words[at + KIND] = kind;
    return which;
  }

  /** Where so many bytes fit beside the other value. */
  #place(size: number, other: number): number {
    const limit = this.#data.maxByteLength ?? this.#data.byteLength;
    const most = Math.floor((limit - HEADER) / ROOM);
    if (size > most) throw new OptionError(`value must take at most ${most} bytes, got ${size}`);
    const from = this.#words[other + START] as number;
    const length = this.#words[other + LENGTH] as number;
    const start = length === 0 || size <= from ? 0 : from + length;
    const end = HEADER + start + size;
    if (end > this.#data.byteLength) this.#data.grow?.(Math.min(limit, end + size));
    return start;
  }

  #guard(): SharedMutexGuard<T> {
    return new SharedMutexGuard(this.#read(), this.#unlock);
  }

  readonly #unlock = (value: T): void => {
    const permits = this.#permits;
    const { ledger } = permits;
    let which = permits.words[WHICH] as number;
    try {
      which = this.#write(value);
    } finally {
      ledger.enter();
      permits.noteRelease(1, ownId());
      ledger.note(WHICH, which);
      ledger.commit();
      permits.pass();
      ledger.leave();
    }
  };

  /** Waits for the lock. Cancel safe. */
  lock(): Future<SharedMutexGuard<T>> {
    const far = this.#far;
    if (far !== undefined) {
      return far.ask<[number, T], SharedMutexGuard<T>>(
        "lock",
        [],
        (locked) => guardFar(far, locked),
        ([token]) => far.tell("release", token),
      );
    }
    return new Take(this.#permits, 1, "a SharedMutex", () => this.#guard(), closed);
  }

  /** @throws {TryLockError} `TOKIWA_LOCKED` */
  tryLock(): SharedMutexGuard<T> {
    const far = this.#far;
    if (far !== undefined) return guardFar(far, far.now("tryLock()", "tryLock"));
    if (!this.#permits.tryTake(1)) throw new TryLockError();
    return this.#guard();
  }

  /** Waits on this thread, which must be allowed to block. @throws {DeadlockError} when it was passed to no other thread */
  blockingLock(): SharedMutexGuard<T> {
    if (this.#far !== undefined) noSharedMemory("blockingLock()");
    this.#permits.takeBlocking(1, "blockingLock()");
    return this.#guard();
  }

  /** Runs `fn` with the lock, and unlocks however it ends. */
  withLock<R>(fn: (guard: SharedMutexGuard<T>) => R | PromiseLike<R>): Future<R> {
    checkFunction("fn", fn);
    return lazy(async () => {
      const guard = await this.lock();
      try {
        return await fn(guard);
      } finally {
        guard.unlock();
      }
    }) as Future<R>;
  }

  get isLocked(): boolean {
    if (this.#far !== undefined) return this.#far.now("isLocked", "isLocked");
    return this.#permits.available === 0;
  }

  /** @internal */
  [PACK](): Packed {
    if (this.#far !== undefined) return packFar("mutex", this.#far);
    return { type: "mutex", state: { words: passedOn(this.#permits.words), data: this.#data } };
  }
}

interface State {
  words: Int32Array;
  data: Growable;
}
let given: State | undefined;

let farGiven: Far | undefined;

registerPackable("mutex", (state: State | MessagePort) => {
  if (isPort(state)) farGiven = remote(state);
  else given = state;
  try {
    return new SharedMutex<unknown>();
  } finally {
    given = farGiven = undefined;
  }
});

function guardFar<T>(far: Far, [token, value]: [number, T]): SharedMutexGuard<T> {
  return new SharedMutexGuard(far.home === undefined ? value : structuredClone(value), (changed) => unlockFar(far, token, changed));
}

/** What cannot be copied leaves the value as it was. */
function unlockFar(far: Far, token: number, changed: unknown): void {
  try {
    if (far.home === undefined) checkCopied(changed);      // posting it copies it
    far.tell("unlock", token, far.home === undefined ? changed : copied(changed));
  } catch (error) {
    far.tell("release", token);
    throw error;
  }
}

function mutexHome(value: unknown): Home {
  const lock = new Semaphore(1);
  return {
    lock: (client) => new Mapped(lock.acquire(), (permit) => [client.hold(() => permit.release()), value]),
    tryLock: (client) => {
      if (lock.availablePermits === 0) throw new TryLockError();
      const permit = lock.tryAcquire();
      return [client.hold(() => permit.release()), value];
    },
    isLocked: () => lock.availablePermits === 0,
    unlock: (client, token: number, changed: unknown) => {
      value = changed;
      client.release(token);
    },
    release: (client, token: number) => client.release(token),
  };
}
