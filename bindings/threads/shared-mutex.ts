// SharedMutex: a lock for threads, with a value that travels with it.
//
// The value lies in shared memory as bytes (codec.ts); locking decodes it, unlocking writes it back. So
// who locks sees what the last holder left. When a holder's thread dies the lock is released, with the value as it
// was when that holder took it.

import { AcquireError, OptionError, TryLockError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkFunction } from "../options.ts";
import { lazy } from "../task/lazy.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";
import { decode, encode, NUMBER } from "./codec.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { whole } from "../workers/inline.ts";
import { canShare } from "../workers/transport.ts";
import { atHome, type Far, type Home, isPort, Mapped, noSharedMemory, packFar, type Packed, remote } from "./far.ts";
import { Permits, Take } from "./permits.ts";

// value: [kind u32, length u32, number f64, bytes...]
const HEADER = 16;
/** Bytes a value may take. Memory that is not used costs nothing where the host can grow shared buffers. */
const MAX_VALUE = 1 << 24;
const FIXED_VALUE = 1 << 16;

type Growable = SharedArrayBuffer & { grow?(bytes: number): void; readonly maxByteLength?: number };

function newBuffer(): Growable {
  const Shared = SharedArrayBuffer as unknown as new (bytes: number, options?: { maxByteLength: number }) => Growable;
  return "grow" in SharedArrayBuffer.prototype ? new Shared(HEADER + 1024, { maxByteLength: HEADER + MAX_VALUE }) : new Shared(HEADER + FIXED_VALUE);
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
   * @param value anything that can be cloned, at most 16 MB as bytes
   * @throws {TokiwaError} `TOKIWA_NOT_CLONEABLE`
   */
  constructor(value?: T) {
    packablesExist();
    if (farGiven !== undefined || !canShare()) {
      this.#far = farGiven ?? atHome(mutexHome(structuredClone(value)));
      return;
    }
    this.#permits = new Permits(given?.words ?? 1, true, true);
    this.#data = given?.data ?? newBuffer();
    this.#words = new Int32Array(this.#data, 0, 2);
    this.#float = new Float64Array(this.#data, 8, 1);
    if (given === undefined) this.#write(value as T);
  }

  #read(): T {
    const kind = this.#words[0] as number;
    if (kind === NUMBER) return whole(this.#float[0] as number) as T;
    return decode(kind, 0, new Uint8Array(this.#data, HEADER, this.#words[1]).slice()) as T;
  }

  #write(value: T): void {
    if (typeof value === "number") {
      this.#float[0] = value;
      this.#words[0] = NUMBER;
      return;
    }
    const { kind, bytes } = encode(value);
    const size = HEADER + bytes.length;
    if (size > this.#data.byteLength) {
      const limit = this.#data.maxByteLength ?? this.#data.byteLength;
      if (size > limit) throw new OptionError(`value must take at most ${limit - HEADER} bytes, got ${bytes.length}`);
      this.#data.grow?.(Math.min(limit, size * 2));
    }
    new Uint8Array(this.#data, HEADER, bytes.length).set(bytes);
    this.#words[1] = bytes.length;
    this.#words[0] = kind;
  }

  #guard(): SharedMutexGuard<T> {
    return new SharedMutexGuard(this.#read(), this.#unlock);
  }

  readonly #unlock = (value: T): void => {
    try {
      this.#write(value);
    } finally {
      this.#permits.release(1);
    }
  };

  /** Waits for the lock. Cancel safe. */
  lock(): Future<SharedMutexGuard<T>> {
    const far = this.#far;
    if (far !== undefined) {
      return far.ask<[number, T], SharedMutexGuard<T>>(
        "lock",
        [],
        ([token, value]) => new SharedMutexGuard(far.home === undefined ? value : structuredClone(value), (changed) => far.tell("unlock", token, far.home === undefined ? changed : structuredClone(changed))),
        ([token]) => far.tell("release", token),
      );
    }
    return new Take(this.#permits, 1, "a SharedMutex", () => this.#guard(), closed);
  }

  /** @throws {TryLockError} `TOKIWA_LOCKED` */
  tryLock(): SharedMutexGuard<T> {
    if (this.#far !== undefined) noSharedMemory("tryLock()");
    if (!this.#permits.tryTake(1)) throw new TryLockError();
    return this.#guard();
  }

  /** Waits on this thread, which must be allowed to block. */
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
    if (this.#far !== undefined) noSharedMemory("isLocked");
    return this.#permits.available === 0;
  }

  /** @internal */
  [PACK](): Packed {
    if (this.#far !== undefined) return packFar("mutex", this.#far);
    return { type: "mutex", state: { words: this.#permits.words, data: this.#data } };
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

function mutexHome(value: unknown): Home {
  const lock = new Semaphore(1);
  return {
    lock: (client) => new Mapped(lock.acquire(), (permit) => [client.hold(() => permit.release()), value]),
    unlock: (client, token: number, changed: unknown) => {
      value = changed;
      client.release(token);
    },
    release: (client, token: number) => client.release(token),
  };
}
