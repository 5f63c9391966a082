// CancellationToken: a tree; cancelling one cancels all below it.
//
// Children point to their parent. A parent knows a child only while there is somebody to tell: a pending
// `cancelled()`, or a grandchild with one. So a token made for each request of a server costs its long-lived parent
// nothing, and dropping a token needs no call. Whether a token is cancelled is found by looking upwards, and remembered.
//
// A signal that was handed out depends on all tokens above by the host's own AbortSignal.any(): the host holds it weakly, unless
// somebody listens to it. But Node 20 never forgets the weak reference (60 bytes), and would keep one for each child of a long-lived
// token. So there the children depend on relays, a controller for so many of them, that live as long as one of these does. It needs a host
// that by itself holds a signal with listeners, as Node does; in Deno it is the source that does.

import { type Awaitable, completed, context, describeFuture, FINISHED, type Future, Operation, PENDING, proceed, restore, type Suspend, type Waker } from "../future.ts";
import { nodeMajor } from "../host.ts";
import { checkSignal } from "../options.ts";
import { Waiter, WaiterQueue } from "../sync/waiters.ts";
import { operand } from "./promise.ts";

/** How many signals depend on one relay. */
const PER_RELAY = nodeMajor > 0 && nodeMajor < 24 ? 64 : Infinity;

/** What aborts the signals of children. */
class Relays {
  /** The one that takes more. */
  #last = new AbortController();
  #taken = 0;
  /** The full ones, as long as somebody has a signal of theirs. */
  #full: WeakRef<AbortController>[] = [];
  #limit = 16;

  /** For one more signal. */
  next(): AbortController {
    if (this.#taken === PER_RELAY) {
      this.#full.push(new WeakRef(this.#last));
      this.#last = new AbortController();
      this.#taken = 0;
      if (this.#full.length > this.#limit) {
        this.#full = this.#full.filter((ref) => ref.deref() !== undefined);
        this.#limit = 16 + this.#full.length * 2;
      }
    }
    this.#taken++;
    return this.#last;
  }

  abort(reason: unknown): void {
    for (const ref of this.#full) ref.deref()?.abort(reason);
    this.#last.abort(reason);
  }
}

/** The relays that a signal depends on: they live as long as it does. */
const keepers = /* @__PURE__ */ new WeakMap<AbortSignal, AbortController[]>();

/** One place in the tree. */
class Node {
  readonly parent: Node | null;
  readonly queue: WaiterQueue<Cancelled> = new WaiterQueue<Cancelled>();
  /** Those below that have somebody to tell. */
  children: Set<Node> | null = null;
  #controller: AbortController | null = null;
  #signal: AbortSignal | null = null;
  #relays: Relays | null = null;
  reason: unknown = undefined;
  #isCancelled = false;
  #isKnown = false;

  constructor(parent: Node | null) {
    this.parent = parent;
  }

  get isCancelled(): boolean {
    if (this.#isCancelled) return true;
    for (let node = this.parent; node !== null; node = node.parent) {
      if (!node.#isCancelled) continue;
      this.#isCancelled = true;
      this.reason = node.reason;
      return true;
    }
    return false;
  }

  cancel(reason: unknown): void {
    if (this.isCancelled) return;
    // First all marks, then all calls: whoever is called finds the whole tree cancelled.
    const told: Node[] = [this];
    for (let at = 0; at < told.length; at++) {
      const node = told[at] as Node;
      if (node.#isCancelled) continue;
      node.#isCancelled = true;
      node.reason = reason;
      if (node.children !== null) for (const child of node.children) told.push(child);
      node.children = null;
      node.#isKnown = false;
    }
    Node.forget(this);
    for (const node of told) {
      node.queue.wakeAll();
      node.#controller?.abort(node.reason);
      node.#relays?.abort(node.reason);
      node.#relays = null;
    }
  }

  get #hasListeners(): boolean {
    return !this.queue.isEmpty || this.children !== null;
  }

  get signal(): AbortSignal {
    if (this.#signal !== null) return this.#signal;
    const controller = (this.#controller = new AbortController());
    this.#signal = controller.signal;
    if (this.isCancelled) controller.abort(this.reason);
    else if (this.parent !== null) {
      const relays: AbortController[] = [];
      for (let node: Node | null = this.parent; node !== null; node = node.parent) relays.push((node.#relays ??= new Relays()).next());
      this.#signal = AbortSignal.any([...relays.map((relay) => relay.signal), controller.signal]);
      keepers.set(this.#signal, relays);
    }
    return this.#signal;
  }

  /** Makes a node known upwards: there is somebody to tell. */
  static listen(node: Node): void {
    for (let { parent } = node; parent !== null && !node.#isKnown; { parent } = node) {
      node.#isKnown = true;
      (parent.children ??= new Set()).add(node);
      node = parent;
    }
  }

  /** Takes a node out of those above when it has nobody to tell any more. */
  static forget(node: Node): void {
    for (let { parent } = node; parent !== null && (node.#isCancelled || !node.#hasListeners); { parent } = node) {
      node.#isKnown = false;
      parent.children?.delete(node);
      if (parent.children?.size === 0) parent.children = null;
      node = parent;
    }
  }

  /** A wait has left. */
  left(): void {
    if (this.#isKnown && !this.#hasListeners) Node.forget(this);
  }
}

class Cancelled extends Waiter<void> {
  readonly #node: Node;
  #isOver = false;

  constructor(node: Node) {
    super();
    this.#node = node;
  }

  override get isRepollable(): boolean {
    return true;
  }

  poll(waker: Waker): void | typeof PENDING {
    const node = this.#node;
    if (this.#isOver) completed();
    if (!proceed(waker)) return PENDING;
    if (node.isCancelled) {
      this.#end();
      return undefined;
    }
    if (!this.isLinked) {
      node.queue.push(this);
      Node.listen(node);
    }
    this.waitWith(waker);
    restore();
    return PENDING;
  }

  override next(): IteratorResult<Suspend, void> {
    if (this.#isOver || context.waker === null || context.budget <= 0 || !this.#node.isCancelled) return super.next();
    context.budget--;
    this.#end();
    return FINISHED;
  }

  #end(): void {
    this.#isOver = true;
    this.forgetWaker();
    if (!this.isLinked) return;
    this.#node.queue.remove(this);
    this.#node.left();
  }

  override [Symbol.dispose](): void {
    this.#end();
  }

  override describe(): string {
    return "a cancellation token";
  }
}

class UntilCancelled<T> extends Operation<T | undefined> {
  readonly #cancelled: Cancelled;
  readonly #inner: Future<T>;

  constructor(node: Node, inner: Future<T>) {
    super();
    this.#cancelled = new Cancelled(node);
    this.#inner = inner;
  }

  poll(waker: Waker): T | undefined | typeof PENDING {
    if (this.#cancelled.poll(waker) !== PENDING) {
      this.#inner[Symbol.dispose]?.();
      return undefined;
    }
    let value: T | typeof PENDING;
    try {
      value = this.#inner.poll(waker);
    } catch (error) {
      this.#cancelled[Symbol.dispose]();
      throw error;
    }
    if (value !== PENDING) this.#cancelled[Symbol.dispose]();
    return value;
  }

  override [Symbol.dispose](): void {
    this.#cancelled[Symbol.dispose]();
    this.#inner[Symbol.dispose]?.();
  }

  override describe(): string {
    return describeFuture(this.#inner);
  }
}

/** Cancels a token when it is disposed of. */
export interface DropGuard extends Disposable {
  /** Gives the token back: disposing does nothing any more. */
  disarm(): CancellationToken;
}

/**
 * Says to any number of tasks that they should stop. It interrupts nobody: they look, or wait for it.
 *
 * A child is cancelled with its parent, and can be cancelled alone. A child needs not be given back: its parent does
 * not hold it.
 *
 * @example
 * const stop = new CancellationToken();
 * spawn(async () => { while ((await stop.runUntilCancelled(work.recv())) !== undefined) step(); });
 * process.once("SIGTERM", () => stop.cancel());
 */
export class CancellationToken implements Disposable {
  #node: Node = new Node(null);

  /**
   * A token that is cancelled when a signal of the host is aborted, with its reason.
   *
   * The signal keeps the token until `[Symbol.dispose]()` or `cancel()`.
   */
  static from(signal: AbortSignal): CancellationToken {
    checkSignal("signal", signal);
    const token = new CancellationToken();
    if (signal.aborted) token.cancel(signal.reason);
    else {
      const cancel = (): void => token.cancel(signal.reason);
      signal.addEventListener("abort", cancel, { once: true });
      token.#unlisten = () => signal.removeEventListener("abort", cancel);
    }
    return token;
  }

  #unlisten: (() => void) | undefined;

  /**
   * Cancels this token and all below it. Only the first call counts.
   *
   * @param reason what `signal.reason` will be; default a `DOMException` `AbortError`
   */
  cancel(reason?: unknown): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.#node.cancel(reason);
  }

  get isCancelled(): boolean {
    return this.#node.isCancelled;
  }

  /** Waits until the token is cancelled; ready at once if it is. Cancel safe. */
  cancelled(): Future<void> {
    return new Cancelled(this.#node);
  }

  /** A token that is cancelled with this one, and can be cancelled without it. */
  child(): CancellationToken {
    const token = new CancellationToken();
    token.#node = new Node(this.#node);
    return token;
  }

  /** For `fetch` and the like; aborted when the token is cancelled. Made at the first use. */
  get signal(): AbortSignal {
    return this.#node.signal;
  }

  /**
   * The value of a future, or undefined if the token is cancelled first; then the future is dropped. A token that is cancelled
   * already wins, and the future is not polled. Dropping it drops the future.
   */
  runUntilCancelled<T>(f: Awaitable<T>): Future<T | undefined> {
    return new UntilCancelled(this.#node, operand("f", f));
  }

  /** An object that cancels the token at the end of a `using` block, unless it is disarmed. */
  dropGuard(): DropGuard {
    let isArmed = true;
    return {
      disarm: () => {
        isArmed = false;
        return this;
      },
      [Symbol.dispose]: () => {
        if (isArmed) this.cancel();
        isArmed = false;
      },
    };
  }

  /** Lets go of the host's signal given to `from()`. Cancels nothing; waits go on. */
  [Symbol.dispose](): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
  }
}
