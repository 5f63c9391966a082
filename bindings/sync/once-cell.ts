// OnceCell: a value made by the first who asks for it.
//
// One permit: whoever has it runs an initialiser. It comes back when that fails or is dropped, and the next in the
// queue tries its own; a success closes the permits, and everybody who waits takes the value.
//
// An initialiser that asks its own cell would wait for itself. It is told so instead: the
// cell is a task-local of what runs inside its initialiser.

import { DeadlockError, SetError } from "../errors.ts";
import { completed, describeFuture, type Future, Operation, PENDING, proceed, type TaskFn, type Waker } from "../future.ts";
import { checkFunction } from "../options.ts";
import { lazy } from "../task/lazy.ts";
import { findLocal, withLocal } from "../task/local.ts";
import { Permits, Take } from "./permits.ts";

class Cell<T> extends Permits {
  value: T | undefined = undefined;
  isSet = false;

  constructor() {
    super(1);
  }

  fill(value: T): void {
    this.value = value;
    this.isSet = true;
    this.available = 0;
    this.close();
  }
}

class Turn<T> extends Take<undefined, Cell<T>> {
  constructor(cell: Cell<T>) {
    super(cell, 1);
  }

  protected taken(): undefined {
    return undefined;
  }
}

class GetOrInit<T> extends Operation<T> {
  readonly #cell: Cell<T>;
  #fn: TaskFn<[], T> | undefined;
  #turn: Turn<T> | undefined;
  #body: Future<T> | undefined;

  constructor(cell: Cell<T>, fn: TaskFn<[], T>) {
    super();
    this.#cell = cell;
    this.#fn = fn;
  }

  poll(waker: Waker): T | typeof PENDING {
    const fn = this.#fn;
    if (fn === undefined) completed();
    const cell = this.#cell;
    if (this.#body === undefined) {
      if (cell.isSet) {
        if (!proceed(waker)) return PENDING;
        this.#end();
        return cell.value as T;
      }
      if (this.#turn === undefined) {
        if (findLocal(cell) !== null) {
          this.#fn = undefined;
          throw new DeadlockError("getOrInit() was called inside the initialiser of the same cell: it would wait for itself", []);
        }
        this.#turn = new Turn(cell);
      }
      if (this.#turn.poll(waker) === PENDING) return PENDING;
      this.#turn = undefined;
      this.#body = withLocal(cell, undefined, lazy(fn));
    }
    let value: T | typeof PENDING;
    try {
      value = this.#body.poll(waker);
    } catch (error) {
      this.#fn = this.#body = undefined;
      cell.give(1);
      throw error;
    }
    if (value === PENDING) return PENDING;
    this.#fn = this.#body = undefined;
    cell.fill(value);
    return value;
  }

  #end(): void {
    this.#fn = undefined;
    this.#turn?.[Symbol.dispose]();
    this.#turn = undefined;
  }

  override [Symbol.dispose](): void {
    const body = this.#body;
    this.#body = undefined;
    this.#end();
    if (body === undefined) return;
    try {
      body[Symbol.dispose]();
    } finally {
      this.#cell.give(1);
    }
  }

  override describe(): string {
    return this.#body === undefined ? "a cell that is being initialised" : describeFuture(this.#body);
  }
}

/**
 * A value that is made once, by the first who asks for it; those who ask meanwhile wait for the same one.
 *
 * @example
 * const pool = new OnceCell<Pool>();
 * const connection = await pool.getOrInit(async () => connect(await loadConfig()));
 */
export class OnceCell<T> {
  readonly #cell = new Cell<T>();

  /** @param value there from the start, unless undefined */
  constructor(value?: T) {
    if (value !== undefined) this.#cell.fill(value);
  }

  /** Whether there is a value, which may be undefined. */
  get isInitialized(): boolean {
    return this.#cell.isSet;
  }

  /** The value, or undefined before there is one. */
  get(): T | undefined {
    return this.#cell.value;
  }

  /**
   * Sets the value.
   *
   * @throws {SetError} `TOKIWA_ALREADY_INITIALIZED` when there is one, `TOKIWA_INITIALIZING` while an initialiser runs; with
   *   the value in `value`
   */
  set(value: T): void {
    const cell = this.#cell;
    if (cell.isSet) throw new SetError("TOKIWA_ALREADY_INITIALIZED", "the cell has a value already", value);
    if (cell.available === 0) throw new SetError("TOKIWA_INITIALIZING", "the cell is being initialised", value);
    cell.fill(value);
  }

  /**
   * The value, made by `fn` if there is none. Initialisers run one at a time; when one fails, its error is
   * thrown to its own caller, the cell stays empty, and the next caller in the queue runs its own.
   *
   * Cancel safe: dropping it drops the initialiser, and the next in the queue begins with its own.
   *
   * @param fn an async, a generator or a plain function
   * @throws {DeadlockError} `TOKIWA_DEADLOCK` inside the initialiser of the same cell
   */
  getOrInit(fn: TaskFn<[], T>): Future<T> {
    return new GetOrInit(this.#cell, checkFunction("fn", fn));
  }
}
