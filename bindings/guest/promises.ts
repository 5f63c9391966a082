// Promises of JavaScript that a guest can name: a number stands for each until the guest drops it.

import { type Reactor, whenSettled } from "../future.ts";
import { OptionError } from "../errors.ts";
import { TK_EREJECTED, TK_ESTALE, TK_PENDING, TK_READY } from "./codes.ts";

interface Entry {
  promise: PromiseLike<unknown>;
  state: number;
  value: unknown;
  /** Handles of tasks to wake. */
  waiters: number[];
}

export class PromiseTable {
  readonly #entries = new Map<number, Entry>();
  readonly #scheduler: Reactor;
  readonly #wake: (task: number) => void;
  #last = 0;

  constructor(scheduler: Reactor, wake: (task: number) => void) {
    this.#scheduler = scheduler;
    this.#wake = wake;
  }

  add(promise: PromiseLike<unknown>): number {
    const id = (this.#last = (this.#last % 0x3fffffff) + 1);
    const entry: Entry = { promise, state: TK_PENDING, value: undefined, waiters: [] };
    this.#entries.set(id, entry);
    this.#scheduler.hostPending++;
    whenSettled(promise, (value) => this.#settle(entry, TK_READY, value), (error) => this.#settle(entry, TK_EREJECTED, error));
    return id;
  }

  #settle(entry: Entry, state: number, value: unknown): void {
    this.#scheduler.hostPending--;
    entry.state = state;
    entry.value = value;
    for (const task of entry.waiters.splice(0)) this.#wake(task);
  }

  /** How it stands; if it is pending, `waiter` is woken when it settles. */
  look(id: number, waiter: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    if (entry.state === TK_PENDING && !entry.waiters.includes(waiter)) entry.waiters.push(waiter);
    return entry.state;
  }

  /** The value or the reason as the number that a guest gets; what is no number is 0. */
  number(id: number): number {
    const value = Number(this.#entries.get(id)?.value);
    return Number.isNaN(value) ? 0 : value;
  }

  get(id: number): { promise: PromiseLike<unknown>; value: unknown } {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new OptionError(`id must be that of a promise that was not dropped, got ${String(id)}`);
    return entry;
  }

  drop(id: number): void {
    this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
  }
}
