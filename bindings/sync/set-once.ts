// SetOnce: a value that is set once, and that others wait for.

import { SetError } from "../errors.ts";
import { completed, type Future, PENDING, proceed, restore, type Waker } from "../future.ts";
import { Waiter, WaiterQueue } from "./waiters.ts";

/** What a `SetOnce` and its waits share. */
class Slot<T> {
  readonly queue: WaiterQueue<Wait<T>> = new WaiterQueue<Wait<T>>();
  value: T | undefined = undefined;
  isSet = false;
}

class Wait<T> extends Waiter<T> {
  readonly #slot: Slot<T>;
  #isOver = false;

  constructor(slot: Slot<T>) {
    super();
    this.#slot = slot;
  }

  override get isRepollable(): boolean {
    return true;
  }

  poll(waker: Waker): T | typeof PENDING {
    const slot = this.#slot;
    if (this.#isOver) completed();
    if (!proceed(waker)) return PENDING;
    if (slot.isSet) {
      slot.queue.remove(this);
      this.#isOver = true;
      return slot.value as T;
    }
    if (!this.isLinked) slot.queue.push(this);
    this.waitWith(waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#slot.queue.remove(this);
    this.forgetWaker();
    this.#isOver = true;
  }

  override describe(): string {
    return "a value that is set once";
  }
}

/**
 * A value that is set once, by anybody, and that any number may wait for.
 *
 * @example
 * const config = new SetOnce<Config>();
 * spawn(async () => config.set(await load()));
 * const { port } = await config.wait();
 */
export class SetOnce<T> {
  readonly #slot = new Slot<T>();

  /** @param value set from the start, unless undefined */
  constructor(value?: T) {
    if (value === undefined) return;
    this.#slot.value = value;
    this.#slot.isSet = true;
  }

  /** Whether there is a value, which may be undefined. */
  get isInitialized(): boolean {
    return this.#slot.isSet;
  }

  /** The value, or undefined before it is set. */
  get(): T | undefined {
    return this.#slot.value;
  }

  /**
   * Sets the value and wakes everybody who waits for it.
   *
   * @throws {SetError} `TOKIWA_ALREADY_INITIALIZED`, with the value in `value`, the second time
   */
  set(value: T): void {
    const slot = this.#slot;
    if (slot.isSet) throw new SetError("TOKIWA_ALREADY_INITIALIZED", "the value was set already", value);
    slot.value = value;
    slot.isSet = true;
    slot.queue.wakeAll();
  }

  /** Waits until there is a value. Cancel safe: a wait that is dropped takes nothing with it. */
  wait(): Future<T> {
    return new Wait(this.#slot);
  }
}
