// join, tryJoin, select: several futures in one task.
//
// All branches share the task's waker and are polled whenever it wakes, as Tokio's macros do:
// no slot, no queue and no allocation for a branch. What loses is disposed of; handles and receivers that
// were passed in are only lent (task/promise.ts, operand()).

import { OptionError } from "./errors.ts";
import { type Awaitable, completed, context, describeFuture, type Future, giveBack, Operation, PENDING, type Waker, yieldToBack } from "./future.ts";
import { checkBoolean, checkFunction, checkOptions, show } from "./options.ts";
import { Random } from "./random.ts";
import { operand } from "./task/promise.ts";

/** The value of a future or promise. */
export type Outcome<F> = F extends Awaitable<infer T> ? T : never;

class Join<T extends unknown[]> extends Operation<T> {
  readonly #branches: (Future<unknown> | undefined)[];
  readonly #values: unknown[];
  readonly #failsFast: boolean;
  #left: number;
  /** Which branch is polled first: another one each time, so that none starves the others of budget. */
  #first = -1;
  #failure: { at: number; error: unknown } | undefined;
  #isOver = false;
  /** Which values are not this join's to give back. */
  #kept: Set<number> | undefined;

  constructor(branches: Future<unknown>[], failsFast: boolean) {
    super();
    this.#branches = branches;
    this.#values = new Array<unknown>(branches.length);
    this.#failsFast = failsFast;
    this.#left = branches.length;
  }

  poll(waker: Waker): T | typeof PENDING {
    const branches = this.#branches;
    const count = branches.length;
    if (this.#isOver) completed();
    if (this.#left > 0) {
      this.#first = (this.#first + 1) % count;
      for (let k = 0; k < count; k++) {
        const at = (this.#first + k) % count;
        const branch = branches[at];
        if (branch === undefined) continue;
        try {
          const value = branch.poll(waker);
          if (value === PENDING) continue;
          this.#values[at] = value;
          if ((branch as Partial<Operation<unknown>>).keepsValue === true) (this.#kept ??= new Set()).add(at);
        } catch (error) {
          branches[at] = undefined;
          if (this.#failsFast) {
            this[Symbol.dispose]();
            throw error;
          }
          if (this.#failure === undefined || at < this.#failure.at) this.#failure = { at, error };
        }
        branches[at] = undefined;
        this.#left--;
      }
      if (this.#left > 0) return PENDING;
    }
    this.#isOver = true;
    if (this.#failure !== undefined) {
      this.#giveBackAll();
      throw this.#failure.error;
    }
    return this.#values as T;
  }

  /** Guards and permits that nobody will get. */
  #giveBackAll(): void {
    const values = this.#values;
    for (let at = 0; at < values.length; at++) if (this.#kept?.has(at) !== true) giveBack(values[at]);
    values.length = 0;
  }

  override [Symbol.dispose](): void {
    if (!this.#isOver) this.#giveBackAll();
    this.#isOver = true;
    disposeAll(this.#branches);
  }

  override describe(): string {
    return this.#branches.filter((branch) => branch !== undefined).map(describeFuture).join(" and ");
  }
}

/** Disposes of every branch that is left, also when one of them throws. A future of somebody's own may have no dispose. */
function disposeAll(branches: (Future<unknown> | undefined)[]): void {
  let failure: { error: unknown } | undefined;
  for (let at = 0; at < branches.length; at++) {
    const branch = branches[at];
    branches[at] = undefined;
    try {
      branch?.[Symbol.dispose]?.();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure !== undefined) throw failure.error;
}

/**
 * Waits for all of them, in one task, and gives their values in order.
 *
 * If some fail, the others still run to their end; then the failure of the first in order is thrown.
 * Dropping it drops what has not finished; a lock or permit that one of them has already got is given back, also when it fails.
 *
 * @example const [user, posts] = await join(loadUser(), loadPosts());
 */
export function join<F extends Awaitable<unknown>[]>(...futures: F): Future<{ [K in keyof F]: Outcome<F[K]> }> {
  return new Join(futures.map((f, i) => operand(`argument ${i + 1}`, f)), false) as Future<{ [K in keyof F]: Outcome<F[K]> }>;
}

/** As `join()`, but the first failure is thrown at once, and the others are dropped. */
export function tryJoin<F extends Awaitable<unknown>[]>(...futures: F): Future<{ [K in keyof F]: Outcome<F[K]> }> {
  return new Join(futures.map((f, i) => operand(`argument ${i + 1}`, f)), true) as Future<{ [K in keyof F]: Outcome<F[K]> }>;
}

/** Which branch won, and its value. */
export type Selected<B> = {
  [K in keyof B]: NonNullable<B[K]> extends Awaitable<infer T> ? { name: K; value: T } : never;
}[keyof B];

export interface SelectOptions {
  /** Look at the branches in the order written instead of starting at a random one. Default false. */
  biased?: boolean;
  /** Returns a number from 0 up to 1 that picks the branch to begin with; default, and with `true`: the runtime's seeded choice. `false` is `biased`. */
  random?: boolean | (() => number);
}

let choices: Random | undefined;

class Select<B> extends Operation<Selected<B>> {
  readonly #names: string[];
  readonly #branches: (Future<unknown> | undefined)[];
  readonly #isBiased: boolean;
  readonly #random: (() => number) | undefined;
  #isOver = false;

  constructor(names: string[], branches: Future<unknown>[], options: SelectOptions) {
    super();
    this.#names = names;
    this.#branches = branches;
    this.#isBiased = options.biased ?? options.random === false;
    this.#random = typeof options.random === "function" ? options.random : undefined;
  }

  #start(): number {
    const count = this.#branches.length;
    if (this.#isBiased || count === 1) return 0;
    if (this.#random !== undefined) return Math.min(count - 1, Math.max(0, Math.floor(this.#random() * count) || 0));
    const seeded = (context.reactor as { random?: Random } | null)?.random;
    return (seeded ?? (choices ??= new Random(undefined))).below(count);
  }

  poll(waker: Waker): Selected<B> | typeof PENDING {
    const branches = this.#branches;
    if (this.#isOver) completed();
    if (context.budget <= 0) {                             // a branch that spends no budget would win for that alone
      yieldToBack(waker);
      return PENDING;
    }
    const count = branches.length;
    const start = this.#start();
    for (let k = 0; k < count; k++) {
      const at = (start + k) % count;
      const branch = branches[at];
      if (branch === undefined) continue;
      let value: unknown;
      try {
        value = branch.poll(waker);
      } catch (error) {
        branches[at] = undefined;
        this[Symbol.dispose]();
        throw error;
      }
      if (value === PENDING) continue;
      branches[at] = undefined;
      this[Symbol.dispose]();
      return { name: this.#names[at], value } as Selected<B>;
    }
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#isOver = true;
    disposeAll(this.#branches);
  }

  override describe(): string {
    return this.#branches.filter((branch) => branch !== undefined).map(describeFuture).join(" or ");
  }
}

/**
 * Waits for the first of several futures; the others are dropped.
 *
 * Begins at a random branch, so that a busy one cannot starve the rest. A branch given as `undefined` or
 * `null` is disabled. Whether losing is harmless is said at each operation ("cancel safe").
 *
 * @throws {OptionError} when there is no branch, or all are disabled
 * @example
 * const { name, value } = await select({ message: rx.recv(), tick: clock.tick() });
 */
export function select<B extends Record<string, Awaitable<unknown> | null | undefined>>(branches: B, options?: SelectOptions): Future<Selected<B>> {
  if (typeof branches !== "object" || branches === null) throw new OptionError(`branches must be an object of futures, got ${show(branches)}`);
  const chosen = checkOptions<SelectOptions>("options", options);
  if (chosen.biased !== undefined) checkBoolean("biased", chosen.biased);
  if (chosen.random !== undefined && typeof chosen.random !== "boolean") checkFunction("random", chosen.random);
  const names = Object.keys(branches).filter((name) => branches[name] !== undefined && branches[name] !== null);
  if (names.length === 0) throw new OptionError("select() needs at least one branch that is not disabled");
  return new Select<B>(names, names.map((name) => operand(`branch ${name}`, branches[name] as Awaitable<unknown>)), chosen);
}
