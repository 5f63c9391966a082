// Sendables spawned in this worker that lie in no record: newest first, so a tree of them is walked depth first and needs no more memory
// than its depth. The oldest, which is the biggest, is offered to others that have nothing to do.

import { monotonicNow } from "../host.ts";
import type { RemoteBody, Task } from "../task/task.ts";
import { packError } from "./errors-wire.ts";
import { settleTask } from "./job.ts";
import { arityOf, type SendableFunction, type TakenArgs } from "./sendable.ts";
import { ANSWERS_START, type Definition, eachAnswer, type ToParent } from "./wire.ts";

/** Others are given the time to react before more is offered to them, in ms. */
const OFFER_INTERVAL = 0.1;

type Post = (message: ToParent, transfer?: Transferable[]) => void;

/** One that this worker has spawned and not started. */
export interface Nested {
  readonly task: Task<unknown>;
  readonly sendable: SendableFunction;
  readonly taken: TakenArgs;
}

export class Offers {
  readonly #post: Post;
  readonly #sleepers: (() => number) | undefined;
  readonly #waiting: Nested[] = [];
  readonly #offered = new Map<number, Task<unknown>>();
  /** Definitions the parent knows. */
  readonly #told = new Set<number>();
  #hungry = 0;
  #isCrowded = false;
  #offeredAt = 0;

  /** @param sleepers with shared memory: how many workers have nothing to do */
  constructor(post: Post, sleepers: (() => number) | undefined) {
    this.#post = post;
    this.#sleepers = sleepers;
  }

  /** By messages: the parent says how many workers have nothing to do, with jobs or on its own. */
  setHungry(count: number): void {
    this.#hungry = count;
  }

  /** As that, when it was told that this worker is crowded. */
  tellHungry(count: number): void {
    this.#hungry = count;
    if (this.#waiting.length === 0) this.#setCrowded(false);
  }

  #hungryNow(): number {
    return this.#sleepers === undefined ? this.#hungry : this.#sleepers();
  }

  /** Tells the parent whether to say who is hungry. Most workers never spawn anything, and are left alone. */
  #setCrowded(isCrowded: boolean): void {
    if (this.#isCrowded === isCrowded || this.#sleepers !== undefined) return;
    this.#isCrowded = isCrowded;
    this.#post({ k: "crowded", isCrowded });
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#offered.size === 0;
  }

  push(nested: Nested): void {
    if (this.#waiting.push(nested) > 1) this.#setCrowded(true);
    this.#offerTo(this.#hungryNow());
  }

  /** The newest, to be started here. */
  pop(): Nested | undefined {
    if (this.#waiting.length === 0) return undefined;
    this.#offerTo(this.#hungryNow());
    return this.#waiting.pop();
  }

  /** This thread will not look for a while: the parent has all of them, for whoever has time first. */
  offerAll(): void {
    this.#give(this.#waiting.length);
  }

  /** Gives the oldest to others: as many as have nothing to do, and never the last one. */
  #offerTo(hungry: number): void {
    if (hungry === 0 || this.#waiting.length < 2) return;
    const now = monotonicNow();
    if (now - this.#offeredAt < OFFER_INTERVAL) return;
    this.#offeredAt = now;
    this.#give(Math.min(hungry, this.#waiting.length >> 1));
  }

  #give(count: number): void {
    const given = this.#waiting.splice(0, count).filter(({ task }) => !task.isFinished && !task.isAborting);      // an abort ends it at once, here
    if (given.length > 0) this.#send(given);
  }

  /** What cannot be sent, for a port in it was closed since it was taken, is started here next. */
  #send(given: Nested[]): void {
    try {
      this.#sendTogether(given);
    } catch {
      for (const nested of given) {
        try {
          this.#sendTogether([nested]);
        } catch {
          this.#waiting.push(nested);
        }
      }
    }
  }

  #sendTogether(given: Nested[]): void {
    const jobs: unknown[] = [];
    const definitions: Definition[] = [];
    const transfer: Transferable[] = [];
    let transfers: Map<number, Transferable[]> | undefined;
    for (const { task, sendable, taken } of given) {
      const { name } = task;
      const { definition } = name === undefined ? sendable : sendable.named;
      if (!this.#told.has(definition.id) && !definitions.includes(definition)) definitions.push(definition);
      const arity = arityOf(taken);
      jobs.push(task.id, definition.id, name === undefined ? arity : arity < 0 ? arity - 1 : arity + 1, ...taken.args);
      if (name !== undefined) jobs.push(name);
      if (taken.transfer === undefined) continue;
      transfer.push(...taken.transfer);
      const once = taken.transfer.filter((moved) => !(moved instanceof ArrayBuffer));     // with buffers a job can be delivered again
      if (once.length > 0) (transfers ??= new Map()).set(task.id, once);
    }
    this.#post({ k: "offer", definitions: definitions.length > 0 ? definitions : undefined, jobs, transfers }, transfer);
    for (const { id } of definitions) this.#told.add(id);
    for (const { task } of given) {
      this.#offered.set(task.id, task);
      task.ofRemote(new Offered(task.id, this.#post, () => this.#offered.delete(task.id)));
    }
  }

  /** What has become of those that were offered. */
  answered(answers: unknown[]): void {
    eachAnswer(answers, ANSWERS_START, (id, status, _micros, value) => {
      const task = this.#offered.get(id);
      if (task === undefined) return;
      this.#offered.delete(id);
      settleTask(task, status, value);
    });
  }
}

/** The handle's end of a job that was offered to the other workers. */
class Offered implements RemoteBody {
  readonly #id: number;
  readonly #post: Post;
  readonly abandon: () => void;

  constructor(id: number, post: Post, abandon: () => void) {
    this.#id = id;
    this.#post = post;
    this.abandon = abandon;
  }

  abort(reason: Error): boolean {
    this.#post({ k: "abort", id: this.#id, generation: 0, reason: packError(reason) });
    return false;
  }

  describe(): string {
    return "another worker";
  }
}
