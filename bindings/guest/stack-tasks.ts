// The stackful tasks of one guest: started, entered, suspended, joined. What happens to one of them is in stacks.ts.

import { INDEX_MASK } from "../../assembly/layout.ts";
import { ContextError, OptionError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { JoinHandle } from "../task/task.ts";
import type { Asyncify } from "./asyncify.ts";
import { TK_ECANCELED, TK_ECLOSED, TK_ELIMIT, TK_ENOSYS, TK_ESTALE, TK_PENDING, TK_READY } from "./codes.ts";
import { closedError, tooManyStacks, trapError } from "./failures.ts";
import { HOP, Hops, StackBody, type StackHost, type StackPool } from "./stacks.ts";

interface SuspendingWasm {
  Suspending: new (fn: (...args: number[]) => unknown) => WebAssembly.ImportValue;
  promising: (fn: unknown) => (...args: number[]) => Promise<number>;
}

const wasm = WebAssembly as unknown as Partial<SuspendingWasm>;
/** Whether Wasm can suspend here: Node 26, Chromium 137, Firefox 153. */
export const hasJspi: boolean = typeof wasm.Suspending === "function" && typeof wasm.promising === "function";

/** An import that suspends the code which calls it; a plain function that refuses, where nothing can suspend. */
export const suspending = (fn: (task: number) => unknown): WebAssembly.ImportValue => (wasm.Suspending === undefined ? () => TK_ENOSYS : new wasm.Suspending(fn));

/** The exports of guest-interface.ts that they need. */
export interface StackCalls {
  tk_wake(task: number): number;
  setValue(value: number): void;
  stackPointer(): number;
  restoreStack(pointer: number): void;
  reset(): void;
  enter(task: number, fn: number, count: number, first: number, second: number, top: number): number;
}

/** Their guest. */
export interface StackOwner {
  readonly runtime: Runtime;
  readonly label: string;
  readonly isClosed: boolean;
  /** Its stack pointer when the present drive began. */
  readonly stackPointer: number;
}

/** One that the guest has started, until it is joined. */
interface StackJoin {
  readonly task: JoinHandle<number>;
  result: number | undefined;
  readonly waiters: number[];
}

export class StackTasks implements StackHost {
  readonly #owner: StackOwner;
  #calls!: StackCalls;
  #enter!: (...args: number[]) => Promise<number>;
  #asyncify: Asyncify | undefined;
  #pool: StackPool | undefined;
  readonly #joins = new Map<number, StackJoin>();
  /** By the index of their task. */
  readonly #bodies: (StackBody | undefined)[] = [];
  readonly #tasks = new Map<StackBody, JoinHandle<number>>();
  readonly #hops = new Hops();

  constructor(owner: StackOwner) {
    this.#owner = owner;
  }

  /** The guest's interface is there. */
  open(calls: StackCalls, asyncify: Asyncify | undefined): void {
    this.#calls = calls;
    this.#asyncify = asyncify;
    this.#enter = wasm.promising === undefined ? () => Promise.reject(new Error("no JSPI")) : wasm.promising(calls.enter);
  }

  /** The guest is there. */
  link(pool: StackPool): void {
    this.#pool = pool;
  }

  get label(): string {
    return this.#owner.label;
  }

  get pool(): StackPool {
    return this.#pool as StackPool;
  }

  /** Some stack is suspended, or runs. */
  get areInUse(): boolean {
    return this.#pool?.used !== 0;
  }

  get canBlock(): boolean {
    return this.#canSuspend && this.#pool?.refusal === undefined;
  }

  get #canSuspend(): boolean {
    return hasJspi || this.#asyncify !== undefined;
  }

  /** Whether they are entered by JavaScript: then they may be any function, and need no place in the table. */
  get entersByCall(): boolean {
    return this.#asyncify !== undefined;
  }

  bodyOf(task: number): StackBody | undefined {
    return this.#bodies[task & INDEX_MASK];
  }

  // ---- starting

  /** @throws when blocking code cannot be started now */
  check(): void {
    if (!this.#canSuspend) {
      throw new ContextError("TOKIWA_NO_JSPI", "blocking code needs WebAssembly.promising and Suspending (JSPI), which this host has not: use Node 24.21 or later, a current browser, a module built for Asyncify (attach() with { asyncify }), or poll tasks (tk_spawn), which run everywhere.");
    }
    const { pool, label } = this;
    if (pool.refusal !== undefined) throw new OptionError(`${label} cannot run blocking code: ${pool.refusal}`);
    if (pool.used >= pool.limit) throw tooManyStacks(label, pool.limit);
    if (this.#owner.isClosed) throw closedError(label);
  }

  /** Runs a function of the guest; after check(). */
  run(fn: StackBody["fn"], args: readonly number[], name: string | undefined): JoinHandle<number> {
    return this.#start(fn, args, name).task;
  }

  /** For the guest. @returns the task's handle, or an error */
  spawn(fn: number, arg: number): number {
    const pool = this.#pool;
    if (pool === undefined || pool.refusal !== undefined) return TK_ENOSYS;
    if (pool.used >= pool.limit) return TK_ELIMIT;
    const { task, body } = this.#start(fn, [arg], undefined);
    const { handle } = body;
    if (handle < 0) return TK_ECLOSED;
    const join: StackJoin = { task, result: undefined, waiters: [] };
    this.#joins.set(handle, join);
    body.onEnd = (result) => {
      join.result = result;
      for (const waiter of join.waiters.splice(0)) this.#calls.tk_wake(waiter);
    };
    return handle;
  }

  #start(fn: StackBody["fn"], args: readonly number[], name: string | undefined): { task: JoinHandle<number>; body: StackBody } {
    const body = new StackBody(this, fn, args);
    const task = this.#owner.runtime.engine.spawnTask(body, [], name, undefined) as JoinHandle<number> & { handle: number };
    body.handle = task.handle;
    if (task.handle >= 0) {
      this.#bodies[task.handle & INDEX_MASK] = body;
      this.#tasks.set(body, task);
    }
    return { task, body };
  }

  // ---- running

  enterStack(body: StackBody): Promise<number> {
    const calls = this.#calls;
    const before = calls.stackPointer();
    const [first = 0, second = 0] = body.args;
    const promise = this.#asyncify?.run(body) ?? this.#enter(body.handle, body.fn as number, body.args.length, first, second, body.top);
    calls.restoreStack(before);                            // it is on its way: suspended, or ended by a trap
    calls.reset();
    return promise.catch((cause: unknown) => {
      calls.restoreStack(this.#owner.stackPointer);
      calls.reset();
      throw trapError(this.label, `blocking task ${body.handle}`, cause);
    });
  }

  left(body: StackBody): void {
    this.pool.used--;
    this.#tasks.delete(body);
    const index = body.handle & INDEX_MASK;
    if (this.#bodies[index] === body) this.#bodies[index] = undefined;
  }

  /** From inside the suspending import: until the task is woken. */
  suspend(task: number): number | Promise<number> {
    const body = this.#bodies[task & INDEX_MASK];
    return body?.handle === task ? body.suspend() : TK_ECANCELED;
  }

  /** The same, for a yield that may do without the scheduler. */
  hop(task: number): number | Promise<number> {
    if (this.#hops.mayHop()) return HOP;
    this.#calls.tk_wake(task);
    return this.suspend(task);
  }

  // ---- those that the guest has started

  find(task: number): JoinHandle<number> | undefined {
    return this.#joins.get(task)?.task;
  }

  join(task: number, waiter: number): number {
    const join = this.#joins.get(task);
    if (join === undefined) return TK_ESTALE;
    if (join.result === undefined) {
      if (!join.waiters.includes(waiter)) join.waiters.push(waiter);
      return TK_PENDING;
    }
    this.#joins.delete(task);
    this.#calls.setValue(join.result);
    return TK_READY;
  }

  abort(task: number): number {
    const join = this.#joins.get(task);
    join?.task.abort();
    return join === undefined ? TK_ESTALE : 1;
  }

  detach(task: number): void {
    this.#joins.delete(task);
  }

  /** The guest was detached: each is resumed, and finds that it was aborted. */
  close(): void {
    for (const task of this.#tasks.values()) task.abort();
    this.#joins.clear();
  }
}
