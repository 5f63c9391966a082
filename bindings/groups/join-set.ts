// JoinSet: tasks whose results are taken in the order in which they end.
//
//   spawn -> running --ends--> finished -> joinNext()
//
// An entry is in one of the two queues, or in the hands of a joinNext() that waited for it and was not polled since;
// one that is dropped there puts it back in front. `size` counts all three.
//
// A set lives above the runtime, whose spawn() it uses.

import { spawnBlocking } from "../blocking.ts";
import { completed, type Future, giveBack, Operation, PENDING, proceed, restore, type TaskFn, type Waker } from "../future.ts";
import { spawn } from "../runtime.ts";
import { Place, Waiter, WaiterQueue } from "../sync/waiters.ts";
import type { Sendable } from "../workers/sendable.ts";
import type { AbortHandle, TaskId } from "../task/abort-handle.ts";
import type { Task, TaskResult } from "../task/task.ts";

/** How a task of a set ended, and which it was. */
export type Joined<T> = TaskResult<T> & { readonly id: TaskId };

/** A task of a set; also what the task wakes when it ends. */
class Entry<T> extends Place implements Waker {
  readonly task: Task<T>;
  readonly #members: Members<T>;

  constructor(task: Task<T>, members: Members<T>) {
    super();
    this.task = task;
    this.#members = members;
  }

  wake(): void {
    this.#members.running.remove(this);
    this.#members.offer(this);
  }
}

/** What a set and the waits for it share. */
class Members<T> {
  readonly running: WaiterQueue<Entry<T>> = new WaiterQueue<Entry<T>>();
  readonly finished: WaiterQueue<Entry<T>> = new WaiterQueue<Entry<T>>();
  readonly waiters: WaiterQueue<JoinNext<T>> = new WaiterQueue<JoinNext<T>>();
  size = 0;

  /** A result for whoever waits longest, or for later. */
  offer(entry: Entry<T>): void {
    const waiter = this.waiters.shift();
    if (waiter === null) this.finished.push(entry);
    else waiter.hand(entry);
  }

  /** A result that was handed over and not taken. */
  putBack(entry: Entry<T>): void {
    const waiter = this.waiters.shift();
    if (waiter === null) this.finished.unshift(entry);
    else waiter.hand(entry);
  }

  take(entry: Entry<T>): Joined<T> {
    const { task } = entry;
    const ending = task.ending(entry) as TaskResult<T>;
    this.removed(1);
    return ending.status === "fulfilled"
      ? { status: ending.status, value: ending.value, id: task.id }
      : ({ status: ending.status, reason: ending.reason, id: task.id } as Joined<T>);
  }

  removed(count: number): void {
    this.size -= count;
    if (this.size === 0) this.waiters.wakeAll();           // nothing will come for them
  }

  abortAll(reason: unknown): void {
    for (let entry = this.running.first; entry !== null; entry = entry.after as Entry<T> | null) entry.task.abort(reason);
  }

  /** Lets every task go that is not in somebody's hands. `fn` says what becomes of it. */
  drain(fn: (task: Task<T>) => void): void {
    let count = 0;
    for (let entry = this.running.shift(); entry !== null; entry = this.running.shift(), count++) {
      entry.task.forget(entry);
      fn(entry.task);
    }
    for (let entry = this.finished.shift(); entry !== null; entry = this.finished.shift(), count++) fn(entry.task);
    if (count > 0) this.removed(count);
  }
}

class JoinNext<T> extends Waiter<Joined<T> | undefined> {
  readonly #members: Members<T>;
  #entry: Entry<T> | null = null;
  #isOver = false;

  constructor(members: Members<T>) {
    super();
    this.#members = members;
  }

  hand(entry: Entry<T>): void {
    this.#entry = entry;
    this.wakeUp();
  }

  override get isRepollable(): boolean {
    return true;
  }

  poll(waker: Waker): Joined<T> | undefined | typeof PENDING {
    const members = this.#members;
    if (this.#isOver) completed();
    if (!proceed(waker)) return PENDING;
    const entry = this.#entry ?? members.finished.shift();
    if (entry !== null || members.size === 0) {
      this.#entry = null;
      this.#end();
      return entry === null ? undefined : members.take(entry);
    }
    if (!this.isLinked) members.waiters.push(this);
    this.waitWith(waker);
    restore();
    return PENDING;
  }

  #end(): void {
    this.#isOver = true;
    this.forgetWaker();
    this.#members.waiters.remove(this);
  }

  override [Symbol.dispose](): void {
    const entry = this.#entry;
    this.#entry = null;
    this.#end();
    if (entry !== null) this.#members.putBack(entry);
  }

  override describe(): string {
    return `the next of ${this.#members.size} tasks of a set`;
  }
}

/** Takes one result after the other, until the set is empty. */
abstract class Drain<T, R> extends Operation<R> {
  protected readonly members: Members<T>;
  #next: JoinNext<T> | null = null;

  constructor(members: Members<T>) {
    super();
    this.members = members;
  }

  /** The next result, undefined when there is none left. */
  protected step(waker: Waker): Joined<T> | undefined | typeof PENDING {
    this.#next ??= new JoinNext(this.members);
    const joined = this.#next.poll(waker);
    if (joined !== PENDING) this.#next = null;
    return joined;
  }

  override [Symbol.dispose](): void {
    this.#next?.[Symbol.dispose]();
    this.#next = null;
  }

  override describe(): string {
    return `${this.members.size} tasks of a set`;
  }
}

function abandon(task: Task<unknown>): void {
  task.claim(true);                                        // what it fails with now is a consequence, and not news
  task.abort();
  task[Symbol.dispose]();
}

class JoinAll<T> extends Drain<T, T[]> {
  #values: T[] | undefined = [];

  poll(waker: Waker): T[] | typeof PENDING {
    const values = this.#values;
    if (values === undefined) completed();
    for (;;) {
      const joined = this.step(waker);
      if (joined === PENDING) return PENDING;
      if (joined === undefined) {
        this.#values = undefined;
        return values;
      }
      if (joined.status !== "fulfilled") {
        this[Symbol.dispose]();
        throw joined.reason;
      }
      values.push(joined.value);
    }
  }

  override [Symbol.dispose](): void {
    if (this.#values === undefined) return;
    giveBack(this.#values);
    this.#values = undefined;
    super[Symbol.dispose]();
    this.members.drain(abandon);
  }
}

class Shutdown<T> extends Drain<T, void> {
  #isStarted = false;

  poll(waker: Waker): void | typeof PENDING {
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.members.abortAll(undefined);
    }
    for (;;) {
      const joined = this.step(waker);
      if (joined === PENDING) return PENDING;
      if (joined === undefined) return undefined;
      if (joined.status === "fulfilled") giveBack(joined.value);
    }
  }
}

/**
 * Tasks that belong together: their results come in the order in which they end, and disposing of the set aborts
 * what still runs.
 *
 * A task of the set that fails is reported only if nobody takes its result; with `unhandledFailure: "shutdown"` it is the
 * set's to deal with until it is detached.
 *
 * @example
 * using set = new JoinSet<Page>();
 * for (const url of urls) set.spawn(load, url);
 * for await (const page of set) if (page.status === "fulfilled") show(page.value);
 */
export class JoinSet<T> implements AsyncIterable<Joined<T>>, Disposable, AsyncDisposable {
  readonly #members = new Members<T>();

  /** Starts a task in the set, on the current runtime; as `spawn()`. */
  spawn<A extends unknown[]>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): AbortHandle;
  spawn(future: Future<T> | PromiseLike<T>): AbortHandle;
  spawn(body: unknown, ...args: unknown[]): AbortHandle {
    return this.#add(spawn(body as TaskFn<unknown[], T>, ...args) as Task<T>);
  }

  /** Runs a blocking function on a thread, in the set; as `spawnBlocking()`. */
  spawnBlocking<A extends unknown[]>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): AbortHandle {
    return this.#add(spawnBlocking(fn, ...args) as Task<T>);
  }

  #add(task: Task<T>): AbortHandle {
    const members = this.#members;
    const entry = new Entry(task, members);
    if (task.scheduler.unhandledFailure === "shutdown") task.claim(true);
    members.size++;
    members.running.push(entry);
    task.whenDone(entry);
    return task.abortHandle();
  }

  /** Tasks whose results have not been taken. */
  get size(): number {
    return this.#members.size;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /**
   * The result of the next task to end, in that order; undefined when the set is empty. Never rejects.
   *
   * Cancel safe: dropping it loses no result.
   */
  joinNext(): Future<Joined<T> | undefined> {
    return new JoinNext(this.#members);
  }

  /** The result of a task that has ended, or undefined when there is none now. */
  tryJoinNext(): Joined<T> | undefined {
    const entry = this.#members.finished.shift();
    return entry === null ? undefined : this.#members.take(entry);
  }

  /**
   * The values of all tasks, in the order in which they end.
   *
   * The first that fails, or was aborted, makes this throw its error; the others are aborted. Not cancel safe:
   * dropping it aborts all tasks, as in Tokio.
   */
  joinAll(): Future<T[]> {
    return new JoinAll(this.#members);
  }

  /** Aborts every task; they stay in the set, and their results can be taken. */
  abortAll(reason?: unknown): void {
    this.#members.abortAll(reason);
  }

  /** Aborts every task and waits until all have ended. Cancel safe: dropping it only stops the waiting. */
  shutdown(): Future<void> {
    return new Shutdown(this.#members);
  }

  /** Empties the set; its tasks go on as if they had been spawned alone. */
  detachAll(): void {
    this.#members.drain((task) => {
      if (task.scheduler.unhandledFailure === "shutdown") task.claim(false);
      task[Symbol.dispose]();
    });
  }

  /** As each result comes, until the set is empty. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Joined<T>, void, undefined> {
    for (let joined = await this.joinNext(); joined !== undefined; joined = await this.joinNext()) yield joined;
  }

  /** Aborts every task, without waiting for them. */
  [Symbol.dispose](): void {
    this.#members.drain((task) => {
      task.abort();
      task[Symbol.dispose]();
    });
  }

  /** Aborts every task and waits until all have ended: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}
