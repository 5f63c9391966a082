// A worker's end of shared memory: jobs it takes from the queues, jobs it spawns into its own, and what comes back to it.
//
// A job it has spawned and takes itself is an ordinary task again, with its own function and no way through a clone. One that
// another worker has taken comes back by the mailbox, or by a message when its outcome does not fit into the record.

import { ASLEEP, ASLEEP_WITH_TASKS, ENDED, FREE, NOBODY_YET } from "../../assembly/pool-layout.ts";
import { canBeNotified, monotonicNow, startTimer } from "../host.ts";
import { pollFirst } from "../scheduler/burst.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import type { Scope } from "../task/scope.ts";
import { callOf, type RemoteBody, type Task } from "../task/task.ts";
import { packError, type PackedError, reasonOf } from "./errors-wire.ts";
import { readOne } from "./inline.ts";
import { settleTask } from "./job.ts";
import type { Fn, Known } from "./known.ts";
import { startWhenLoaded } from "./late.ts";
import { Lookout } from "./lookout.ts";
import { Outbox } from "./outbox.ts";
import type { SendableFunction } from "./sendable.ts";
import { Doze, Share, type ShareState } from "./share.ts";
import { ANSWERS_START, CANCELLED, type Definition, DEFINITIONS_EACH, eachAnswer, firstDefinitionOf, FULFILLED, type Status, type ToParent } from "./wire.ts";

/** The worker around it. */
interface Side {
  post(message: ToParent, transfer?: Transferable[]): void;
  /** Tells the parent that more workers would have something to do. */
  crowded(): void;
  /** Starts a job of a record. False when the burst must end. */
  begin(record: number, known: Known, args: unknown[], lent: Scope): boolean;
  knownOf(key: number): Known | undefined;
  compileNested(sendable: SendableFunction): Fn | Promise<Fn>;
  pump(): void;
}

/** Where another thread cannot wake this one by a word, it looks by itself, after so many ms. */
const LOOK_INTERVAL = 2;

/** While it looks whether it is woken: so often between two looks at the clock. */
const LOOKS = 500;

/**
 * A worker that has stolen looks longer by this factor: where jobs spawn jobs the next one is near, and to be woken for it is what often
 * puts both workers on one core, for milliseconds. fib(30) on two cores: 1.75 instead of 1.70 times as fast as one thread.
 */
const THIEF = 6;

/** More workers are asked for at most so often, in ms. */
const ASK_INTERVAL = 1;

// What sleep() comes to.
export const ASLEEP_NOW = 0;
export const AWAKE = 1;
export const WOKEN = 2;

/** @returns whether it was there */
function removeFrom(records: number[], record: number): boolean {
  const at = records.indexOf(record);
  if (at >= 0) records.splice(at, 1);
  return at >= 0;
}

/** A task of this worker that waits in its queue, or runs in another one. */
class Spawned implements RemoteBody {
  readonly work: SharedWork;
  readonly record: number;
  readonly task: Task<unknown>;
  readonly sendable: SendableFunction;
  /** Undefined when they are in the record only: an array may have changed since. */
  readonly args: unknown[] | undefined;

  constructor(work: SharedWork, record: number, task: Task<unknown>, sendable: SendableFunction, args: unknown[] | undefined) {
    this.work = work;
    this.record = record;
    this.task = task;
    this.sendable = sendable;
    this.args = args;
  }

  abort(reason: Error): boolean {
    return this.work.abortSpawned(this, packError(reason));
  }

  abandon(): void {
    this.work.giveUp(this);
  }

  describe(): string {
    return "another worker";
  }
}

export class SharedWork {
  readonly share: Share;
  /** Jobs of records that have started here and not ended, by record. */
  readonly running = new Map<number, { readonly generation: number; task: Task<unknown> | undefined; reason: PackedError | undefined }>();
  readonly #side: Side;
  readonly #scheduler: CurrentThread;
  readonly #doze: Doze;
  readonly #spawned: (Spawned | undefined)[] = [];
  readonly #keys = new Map<Definition, number>();
  readonly #lastKey: number;
  #nextKey: number;
  /** Records whose function is not known yet: its definition is on the way. They are not started, so an abort or a death takes them away. */
  #undefined: number[] = [];
  /** Records whose numbers are in no queue. */
  #ready: number[] = [];
  /** Ended and not sent back, by owner. */
  readonly #ended: number[][] = [];
  readonly #outboxes: (Outbox | undefined)[] = [];
  hasEnded = false;
  #isLooking = false;
  #askedAt = -Infinity;
  readonly #lookout = new Lookout();
  /** A job of another worker, since it has slept last. */
  #hasStolen = false;

  constructor(state: ShareState, thread: number, scheduler: CurrentThread, side: Side) {
    this.share = new Share(state, thread);
    this.#scheduler = scheduler;
    this.#side = side;
    this.#nextKey = firstDefinitionOf(thread);
    this.#lastKey = this.#nextKey + DEFINITIONS_EACH;
    this.#doze = new Doze(this.share, () => side.pump());
  }

  #slot(record: number): number {
    return record & ((1 << this.share.slotBits) - 1);
  }

  // ---- spawning

  /** Queues a task of this worker where all can take it. False when it does not fit into a record, or none is free. */
  spawn(task: Task<unknown>, sendable: SendableFunction, args: unknown[]): boolean {
    const { share } = this;
    const { name } = task;
    if (name !== undefined) {
      sendable = sendable.named;
      args = [...args, name];
    }
    const key = this.#keys.get(sendable.definition) ?? this.#define(sendable.definition);
    if (key < 0) return false;
    const record = share.fill(key, args);
    if (record < 0) return false;
    const isPrimitive = args.every((arg) => typeof arg !== "object");
    const spawned = new Spawned(this, record, task, sendable, isPrimitive ? args : undefined);
    task.ofRemote(spawned);
    this.#scheduler.admit(task);
    this.#spawned[this.#slot(record)] = spawned;
    const left = share.calls.push(record);                 // every queue is full: only deaths can do that
    for (let i = 0; i < left; i++) this.#ready.push(share.i32[share.scratch + i] as number);
    const woken = share.calls.wakeOne();
    if (woken === NOBODY_YET) this.#askForMore();
    else this.#woke(woken);
    return true;
  }

  /** Has the pool start more workers, unless it was asked a moment ago. */
  #askForMore(): void {
    const now = monotonicNow();
    if (now - this.#askedAt < ASK_INTERVAL) return;
    this.#askedAt = now;
    this.#side.crowded();
  }

  #define(definition: Definition): number {
    if (this.#nextKey === this.#lastKey) return -1;
    const key = this.#nextKey++;
    this.#keys.set(definition, key);
    this.#side.post({ k: "define", definitions: [{ ...definition, id: key }] });
    return key;
  }

  #woke(thread: number): void {
    if (thread > 0 && !canBeNotified) this.#side.post({ k: "wake", thread });
  }

  // ---- starting

  /** Starts a job. Undefined when there is none; false when the burst must end. */
  start(lent: Scope): boolean | undefined {
    const { share } = this;
    const ready = this.#ready.pop();
    if (ready !== undefined && share.calls.start(ready) === 0) return true;
    const record = ready ?? share.calls.next();
    if (record < 0) return undefined;
    const owner = share.ownerOf(record);
    if (owner === share.thread) return this.#startOwn(record, lent);
    if (owner !== 0) this.#hasStolen = true;
    const known = this.#side.knownOf(share.definitionOf(record));
    if (known === undefined) {
      share.calls.putBack(record);
      this.#undefined.push(record);
      return true;
    }
    return this.#side.begin(record, known, share.argsOf(record), lent);
  }

  #startOwn(record: number, lent: Scope): boolean {
    const { share } = this;
    const slot = this.#slot(record);
    const spawned = this.#spawned[slot];
    this.#spawned[slot] = undefined;
    const args = spawned?.args ?? share.argsOf(record);
    if (spawned?.sendable.definition.takesTaskName === true) args.pop();       // the task has it
    share.release(record);
    if (spawned === undefined || spawned.task.isFinished) return true;
    const { task, sendable } = spawned;
    const fn = this.#side.compileNested(sendable);
    if (typeof fn !== "function") {
      startWhenLoaded(this.#scheduler, task, fn, args);
      return true;
    }
    task.ofCall(callOf(fn, args));
    return task.isAborting || pollFirst(this.#scheduler, task, lent);           // the abort has queued it
  }

  get waitsForDefinitions(): boolean {
    return this.#undefined.length > 0;
  }

  /** Definitions have come. */
  startUndefined(): void {
    const waiting = this.#undefined;
    this.#undefined = [];
    for (const record of waiting) {
      if (this.#side.knownOf(this.share.definitionOf(record)) === undefined) this.#undefined.push(record);
      else this.#ready.push(record);
    }
  }

  abort(record: number, generation: number, reason: PackedError): void {
    const { share } = this;
    if (share.generationOf(record) !== generation) return;
    const job = this.running.get(record);
    if (job?.generation === generation) {
      if (job.task === undefined) job.reason = reason;
      else job.task.abort(reasonOf(reason));
      return;
    }
    const spawned = share.ownerOf(record) === share.thread ? this.#spawned[this.#slot(record)] : undefined;
    if (spawned !== undefined) {                           // whoever had it has put it back
      if (this.abortSpawned(spawned, reason)) settleTask(spawned.task, CANCELLED, reason);
    } else if (removeFrom(this.#undefined, record) || removeFrom(this.#ready, record)) {       // it was put back here
      if (share.calls.start(record) === 1) this.end(record, CANCELLED, reason, undefined);
    }
  }

  // ---- ending

  /** Sends an outcome back, with others. */
  end(record: number, status: Status, value: unknown, transfer: Transferable[] | undefined): void {
    const { share } = this;
    const owner = share.ownerOf(record);
    share.countDone();
    this.hasEnded = true;
    if (status === FULFILLED && (transfer === undefined || transfer.length === 0) && share.end(record, status, value)) {
      (this.#ended[owner] ??= []).push(record);
      return;
    }
    let outbox = this.#outboxes[owner];
    if (outbox === undefined) {
      outbox = this.#outboxes[owner] = new Outbox((answers, list) => this.#side.post({ k: "results", to: owner, answers: answers.slice(ANSWERS_START) }, list), true);
    }
    outbox.add(record, status, value, share.generationOf(record), transfer);
  }

  /** False when there is nothing to send. */
  flush(): boolean {
    if (!this.hasEnded) return false;
    this.hasEnded = false;
    for (const [owner, records] of this.#ended.entries()) {
      if (records === undefined || records.length === 0) continue;
      if (this.share.post(owner, records)) this.#wokeOwner(owner);
      records.length = 0;
    }
    for (const outbox of this.#outboxes) if (outbox?.isEmpty === false) outbox.flush(0);
    return true;
  }

  #wokeOwner(owner: number): void {
    if (!canBeNotified) this.#side.post({ k: "wake", thread: owner });
  }

  // ---- what comes back

  collect(): void {
    this.share.collect(this.#take);
  }

  readonly #take = (record: number): void => {
    const { share } = this;
    const state = share.stateOf(record);
    if (state === ENDED) this.#settle(record, share.statusOf(record), readOne(share, share.at(record)));
    else if (state === FREE) share.release(record);
  };

  #settle(record: number, status: Status, value: unknown): void {
    const slot = this.#slot(record);
    const spawned = this.#spawned[slot];
    this.#spawned[slot] = undefined;
    this.share.release(record);
    if (spawned !== undefined) settleTask(spawned.task, status, value);
  }

  /** The worker in this place has died: what it had ended, and not sent back, is told by the records. */
  gone(thread: number): void {
    const { share } = this;
    this.collect();                                        // first: what it has told comes only once
    for (const record of share.ownRecords()) if (share.isEndedBy(record, thread)) this.#take(record);
  }

  /** Outcomes that did not fit into their records. After a death there may be two of one job: the second one finds it over. */
  results(answers: unknown[]): void {
    eachAnswer(answers, 0, (record, status, generation, value) => {
      if (this.share.generationOf(record) === generation) this.#settle(record, status, value);
    });
  }

  abortSpawned(spawned: Spawned, reason: PackedError): boolean {
    const { share } = this;
    if (share.calls.cancel(spawned.record) === 1) {
      this.giveUp(spawned);
      return true;
    }
    this.#side.post({ k: "abort", id: spawned.record, generation: share.generationOf(spawned.record), reason });
    return false;
  }

  /** Whether jobs that were spawned here have not ended, anywhere. */
  get hasSpawned(): boolean {
    return this.#spawned.some((spawned) => spawned !== undefined);
  }

  /** Nobody waits for it any more. */
  giveUp(spawned: Spawned): void {
    const slot = this.#slot(spawned.record);
    if (this.#spawned[slot] === spawned) this.#spawned[slot] = undefined;
  }

  // ---- sleeping

  /** @returns whether it was woken while it looked */
  #looks(): boolean {
    const factor = this.#hasStolen ? THIEF : 1;
    this.#hasStolen = false;
    if (!this.#lookout.begin(factor)) return false;
    let isWoken = false;
    do isWoken = this.share.calls.look(LOOKS) === 1;
    while (!isWoken && this.#lookout.goesOn());
    this.#lookout.end(isWoken);
    return isWoken;
  }

  /**
   * Sleeps, unless there is something to do.
   *
   * @param hasTasks tasks of its own wait for the host, and may hold it when it is woken
   * @param lingers look again in a turn of the event loop, whoever wakes it
   * @param napMs block for so long at most
   * @param hasWorked since it has slept last
   * @param mayNap asked when whoever sends a message would wake it
   */
  sleep(hasTasks: boolean, lingers: boolean, napMs: number, hasWorked: boolean, mayNap: () => boolean): typeof ASLEEP_NOW | typeof AWAKE | typeof WOKEN {
    const { calls } = this.share;
    if (lingers && napMs === 0) return AWAKE;
    const how = hasTasks ? ASLEEP_WITH_TASKS : ASLEEP;
    if (calls.fallAsleep(how) === 0) return napMs > 0 ? WOKEN : AWAKE;
    if (napMs > 0) return mayNap() && ((hasWorked && this.#looks()) || calls.sleep(napMs) === 0) ? WOKEN : AWAKE;
    this.#doze.begin(how);
    if (!canBeNotified && !this.#isLooking) {
      this.#isLooking = true;
      startTimer(() => {
        this.#isLooking = false;
        this.#side.pump();
      }, LOOK_INTERVAL);
    }
    return ASLEEP_NOW;
  }
}
