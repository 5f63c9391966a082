// The scope of an async function: which task its awaits belong to.
//
// The scheduler cannot see an async function suspend, so each `await` of a future must find
// its owner by itself. Where the host has an async context (Node, Bun, Deno) the scope travels
// in it, also past awaits of foreign promises. It is switched on by the first function that
// may be async, not at import: every await of a Node 20 process pays for it (see bench/README.md).
// In pages the scope is known while the function's own code runs up to an await of something
// foreign (task/await.ts opens that window); later awaits are unowned: they work, but an abort of
// the task does not reach them. `currentTask().own(future)` is for those.
//
// A host callback created inside the function inherits its context and may run long after
// it; a scope that has ended owns nothing any more.

import { type AsyncContext, asyncContext, nodeMajor } from "../host.ts";
import { context, type Owner, type Reactor, type Unit } from "../future.ts";
import { COOP_BUDGET } from "../limits.ts";
import { shared } from "../registry.ts";

/** A pending await, as its scope sees it. */
export interface ScopedAwait {
  previous: ScopedAwait | null;
  next: ScopedAwait | null;
  /** Gives up waiting and rejects the await. */
  cancel(reason: unknown): void;
  /** What is waited for. */
  describe(): string;
}

export class Scope {
  /** The task this code runs in; null in the main of `run()` or `blockOn()`. A burst lends one scope to function after function, until one turns out to be async. */
  task: Owner | null;
  readonly scheduler: Reactor;
  /** Values of task-locals here. */
  readonly locals: object | null;
  /** Set once: from then on every wait rejects with `reason`. */
  isCancelled = false;
  reason: unknown = undefined;
  /** The function has returned: what still runs in this async context belongs to nobody. */
  hasEnded = false;
  /** A wait that has ended and keeps its slot for the next one. */
  spare: Unit | null = null;
  /** Coop budget left until the scheduler resumes this function next. */
  budget: number = COOP_BUDGET;
  #first: ScopedAwait | null = null;

  constructor(task: Owner | null, scheduler: Reactor, locals: object | null) {
    this.task = task;
    this.scheduler = scheduler;
    this.locals = locals;
  }

  /** The function has returned. */
  end(): void {
    this.hasEnded = true;
    if (this.spare === null) return;
    this.scheduler.release(this.spare);
    this.spare = null;
  }

  /** Whether it waits for one of our futures (if not, only the host can resume it). */
  get isWaiting(): boolean {
    return this.#first !== null;
  }

  link(node: ScopedAwait): void {
    const first = this.#first;
    node.next = first;
    if (first !== null) first.previous = node;
    this.#first = node;
  }

  unlink(node: ScopedAwait): void {
    if (node.previous !== null) node.previous.next = node.next;
    else if (this.#first === node) this.#first = node.next;
    if (node.next !== null) node.next.previous = node.previous;
    node.previous = node.next = null;
  }

  /** Rejects every wait of this scope, now and later. */
  cancel(reason: unknown): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    this.reason = reason;
    for (let node = this.#first; node !== null; node = this.#first) {
      this.unlink(node);
      node.cancel(reason);
    }
  }

  /** Every await that is pending, newest first. */
  *waits(): Iterable<ScopedAwait> {
    for (let node = this.#first; node !== null; node = node.next) yield node;
  }
}

/** Made by the first function that may be async, of whichever copy of this package. */
const async: { context: AsyncContext<Scope> | undefined; isOn: boolean; isEntered: boolean; prior: Scope | undefined } =
  /* @__PURE__ */ shared("async", () => ({ context: undefined, isOn: false, isEntered: false, prior: undefined }));

function switchOn(): void {
  async.isOn = true;
  async.context = asyncContext<Scope>();
}

/** Calls `fn` as the synchronous part of an async function that belongs to `scope`. */
export function runInScope<R>(scope: Scope, fn: () => R): R {
  if (!async.isOn) switchOn();
  const outer = context.scope;
  context.scope = scope;
  try {
    return async.context === undefined ? fn() : async.context.run(scope, fn);
  } finally {
    context.scope = outer;
  }
}

/** From Node 24 on a context is a map, and entering and leaving makes one each. Elsewhere going back costs nothing, and staying a tenth of a spawn. */
const isContextMap = nodeMajor >= 24;

/**
 * As `runInScope()`, from a drive, but may stay in the async context of `scope`: who polls anything else calls `leaveScope()` first.
 * Of a batch of tasks that start, only the last one then goes back.
 */
export function startInScope<R>(scope: Scope, fn: () => R): R {
  if (!isContextMap) return runInScope(scope, fn);
  if (!async.isOn) switchOn();
  const host = async.context as AsyncContext<Scope>;
  if (!async.isEntered) {
    async.isEntered = true;
    async.prior = host.getStore();
  }
  host.enterWith(scope);
  context.scope = scope;
  try {
    return fn();
  } finally {
    context.scope = null;
  }
}

/** Whether `startInScope()` stayed. */
export function isInScope(): boolean {
  return async.isEntered;
}

/** Goes back to the async context of the drive, if `startInScope()` stayed. */
export function leaveScope(): void {
  if (async.isEntered) goBack();
}

/** Before a drive inside of a task whose async context stays: tasks of that drive go back to it, and not further. @returns what `bringBackScope()` needs */
export function setScopeAside(): { prior: Scope | undefined } {
  const { prior } = async;
  async.isEntered = false;
  async.prior = undefined;
  return { prior };
}

export function bringBackScope(aside: { prior: Scope | undefined }): void {
  leaveScope();
  async.isEntered = true;
  async.prior = aside.prior;
}

function goBack(): void {
  const { context: host, prior } = async;
  async.isEntered = false;
  async.prior = undefined;
  host?.enterWith(prior);
}

/** The scope of the code that runs now, if it is in an async function that has not ended. */
export function currentScope(): Scope | null {
  let scope = context.scope as Scope | null;
  if (scope === null && async.context !== undefined && context.unit === null) scope = async.context.getStore() ?? null;
  return scope === null || scope.hasEnded ? null : scope;
}
