// The owner's end of shared memory: small jobs go into records that any worker may take, and come back by the mailbox.
//
//   deliver -> record, its number in `#numbers` --flush--> injector --> a worker ... --> mailbox --collect--> settled
//
// This thread cannot block, so it dozes: while its state word says ASLEEP a worker that posts something wakes it, once
// for all that comes until it has looked. With no more jobs out than there are workers it looks in every turn of its event loop for a moment
// first, if that has helped lately.

import { ASLEEP, ENDED, FREE, RUNNING_JOBS, SCRATCH_CAPACITY } from "../../assembly/pool-layout.ts";
import type { JoinError } from "../errors.ts";
import { canBeNotified, macrotask, startTimer, unrefTimer } from "../host.ts";
import type { JobPlace, PlacedJob } from "./job.ts";
import { type PackedError, packError } from "./errors-wire.ts";
import { readOne } from "./inline.ts";
import { Lookout } from "./lookout.ts";
import { noteReceived } from "./parking.ts";
import type { SendableFunction } from "./sendable.ts";
import { Doze, Share, type ShareState } from "./share.ts";
import { type Definition, eachAnswer, isDefinedBy, REJECTED, type Status, type ToWorker } from "./wire.ts";

/** The pool, as seen from here. */
export interface SharedJobsOwner {
  /** Sends a message to the worker in this place. False when none lives there. */
  tell(thread: number, message: ToWorker, transfer?: Transferable[]): boolean;
  tellAll(message: ToWorker, but?: number): void;
  scheduleDispatch(): void;
  /** A worker has ended a job. */
  worked(): void;
  /** Dispatches again after a moment. */
  lookAgain(ms: number): void;
}

/** So many jobs are queued at once, although more may be spawned before this thread is done: a burst of 5000 takes 0.8 of the time then. */
const EARLY = 256;
/** Whoever was woken has looked for work after so long, in ms, unless something holds it. */
const HEARD_TIME = 2;
/** As that, while everyone has work, or seems to search. */
const BUSY_TIME = 10;

export class SharedJobs implements JobPlace {
  readonly state: ShareState;
  readonly share: Share;
  readonly #pool: SharedJobsOwner;
  readonly #doze: Doze;
  readonly #jobs: (PlacedJob | undefined)[] = [];
  #numbers: number[] = [];
  /** Functions that workers know, for those that start later. */
  #defined: Definition[] = [];
  readonly #isDefined = new Set<number>();
  /** Jobs in records. */
  size = 0;

  constructor(state: ShareState, pool: SharedJobsOwner) {
    this.state = state;
    this.#pool = pool;
    this.share = new Share(state, 0);
    this.share.begin();
    this.#doze = new Doze(this.share, () => {
      noteReceived();
      this.look();
    });
  }

  #slot(record: number): number {
    return record & ((1 << this.share.slotBits) - 1);
  }

  // ---- out

  /** Puts a job into a record. False when there is none, or the job does not fit in. */
  deliver(job: PlacedJob, { definition }: SendableFunction, args: readonly unknown[]): boolean {
    const record = this.share.fill(definition.id, args);
    if (record < 0) return false;
    if (definition !== this.#lastDefinition) this.#see(definition);
    job.id = record;
    job.place = this;
    this.#jobs[this.#slot(record)] = job;
    this.size++;
    if (this.#numbers.push(record) === EARLY) this.#inject();
    return true;
  }

  /** The function of the last job: mostly the next one has the same. */
  #lastDefinition: Definition | undefined;

  #see(definition: Definition): void {
    this.#lastDefinition = definition;
    if (this.#isDefined.has(definition.id)) return;
    this.#isDefined.add(definition.id);
    this.define([definition]);
  }

  /** Lets every worker know a function, now or when it starts. */
  define(definitions: Definition[], from?: number): void {
    this.#defined.push(...definitions);
    this.#pool.tellAll({ k: "define", definitions }, from);
  }

  /** For a worker that starts. */
  get defined(): Definition[] {
    return this.#defined;
  }

  /** Queues what was delivered, wakes a worker, and sees to it that this thread learns what comes back. */
  flush(): void {
    if (this.#mustRequeue) this.#requeue();
    if (this.#numbers.length > 0) this.#inject();
    this.listen();
  }

  #inject(): void {
    const numbers = this.#numbers;
    const end = numbers.length;
    const { i32, scratch, calls } = this.share;
    let from = 0;
    while (from < end) {
      const count = Math.min(SCRATCH_CAPACITY, end - from);
      for (let i = 0; i < count; i++) i32[scratch + i] = numbers[from + i] as number;
      if (calls.inject(count) === 0) {                     // somebody holds it, and may have died: not waited for here
        this.#pool.lookAgain(1);
        break;
      }
      from += count;
    }
    if (from === end) this.#numbers = [];
    else numbers.splice(0, from);
    if (from === 0) return;
    this.#mayLook = true;
    this.wakeOne();
  }

  wakeOne(): void {
    this.#woke(this.share.calls.wakeOne());
    this.#makeSure(HEARD_TIME);
  }

  #woke(thread: number): void {
    if (thread > 0 && !canBeNotified) this.#pool.tell(thread, { k: "wake" });
  }

  /** Looks after a moment whether somebody has taken what was queued: a task of its own may hold the worker that was woken, or seems to search. */
  #makeSure(ms: number): void {
    if (this.#makesSure) return;
    this.#makesSure = true;
    unrefTimer(startTimer(this.#wakeAnother, ms));
  }

  #makesSure = false;
  readonly #wakeAnother = (): void => {
    this.#makesSure = false;
    if (this.size === 0) return;
    const woken = this.share.calls.wakeAnother();
    this.#woke(woken);
    if (woken >= 0) this.#makeSure(woken > 0 ? HEARD_TIME : BUSY_TIME);
  };

  /** Sees to it that this thread learns when something comes back. What has come already waits for a turn of the event loop: await comes first. */
  listen(): void {
    if (this.size === 0 || this.#looksSoon) return;
    if (this.#mayLook && this.size < this.state.threads) {
      this.#mayLook = false;
      if (this.#lookout.begin()) {
        this.#looksSoon = true;
        macrotask(this.#lookForAMoment);
        return;
      }
    }
    if (this.share.calls.fallAsleep(ASLEEP) === 1) {
      this.#doze.begin(ASLEEP);
      return;
    }
    this.#looksSoon = true;
    macrotask(this.#lookSoon);
  }

  readonly #lookout = new Lookout();
  #mayLook = false;
  readonly #lookForAMoment = (): void => {
    const hasCome = this.collect();
    if (!hasCome && this.#lookout.goesOn()) {
      macrotask(this.#lookForAMoment);
      return;
    }
    this.#lookout.end(hasCome);
    this.#looksSoon = false;
    if (hasCome) this.#pool.scheduleDispatch();
    this.listen();
  };

  #looksSoon = false;
  readonly #lookSoon = (): void => {
    this.#looksSoon = false;
    this.look();
  };

  /** Takes what has come back, and goes on. */
  look(): void {
    this.share.calls.wakeUp();
    this.collect();
    this.#pool.scheduleDispatch();
    this.listen();
  }

  // ---- back

  collect(): boolean {
    if (!this.share.collect(this.#take)) return false;
    noteReceived();                                        // who parks must not miss it
    return true;
  }

  readonly #take = (record: number): void => {
    const { share } = this;
    const state = share.stateOf(record);
    if (state === ENDED) this.#ended(record, share.statusOf(record), readOne(share, share.at(record)));
    else if (state === FREE) share.release(record);        // it was cancelled before it started
  };

  #ended(record: number, status: Status, value: unknown): void {
    const slot = this.#slot(record);
    const job = this.#jobs[slot];
    this.#jobs[slot] = undefined;
    this.share.release(record);
    if (job === undefined) return;
    this.size--;
    this.#pool.worked();
    job.settle(status, value);
  }

  /** Outcomes that do not fit into a record. */
  results(answers: unknown[]): void {
    eachAnswer(answers, 0, (record, status, generation, value) => {
      if (this.share.generationOf(record) === generation) this.#ended(record, status, value);
    });
  }

  /** Outcomes for a worker that has died: their records are free for whoever comes in its place. */
  free(answers: unknown[]): void {
    eachAnswer(answers, 0, (record, _status, generation) => this.share.free(record, generation));
  }

  // ---- aborts and deaths

  abort(job: PlacedJob, reason: PackedError): boolean {
    const { share } = this;
    const record = job.id;
    for (;;) {
      if (share.calls.cancel(record) === 1) {
        this.#jobs[this.#slot(record)] = undefined;
        this.size--;
        return true;
      }
      const thread = share.runnerOf(record);
      if (thread < 0) continue;                            // put back in between, for its function is not known there yet
      this.#pool.tell(thread, { k: "abort", id: record, generation: share.generationOf(record), reason });
      return false;
    }
  }

  /** To whichever worker has started a job of another one; back to the latter when it was put back meanwhile. */
  relayAbort(record: number, generation: number, reason: PackedError): void {
    const { share } = this;
    const thread = share.runnerOf(record);
    this.#pool.tell(thread < 0 ? share.ownerOf(record) : thread, { k: "abort", id: record, generation, reason });
  }

  answer(): void {}

  /** The worker in this place has died, and touches the memory no more. Before another one takes the place. */
  bury(thread: number, death: JoinError): void {
    const { share } = this;
    share.calls.bury(thread);
    this.collect();
    for (const job of [...this.#jobs]) {
      if (job === undefined) continue;
      if (share.isStartedBy(job.id, thread)) this.#ended(job.id, REJECTED, job.died(death));
      else if (share.isEndedBy(job.id, thread)) this.#take(job.id);        // it had not sent the number back
    }
    this.#defined = this.#defined.filter(({ id }) => !isDefinedBy(thread, id));
    this.#pool.tellAll({ k: "gone", thread });
    const reason = packError(death);
    const end = this.state.threads << share.slotBits;
    for (let record = 1 << share.slotBits; record < end; record++) {
      if (share.isStartedBy(record, thread)) {
        const answers = [REJECTED, share.generationOf(record), record, 1, reason];
        if (!this.#pool.tell(share.ownerOf(record), { k: "results", answers })) this.free(answers);
      }
    }
    this.#requeue();
    this.listen();
  }

  /** Somebody has died, and not all that it may have had in its hands is queued again. */
  #mustRequeue = false;

  #requeue(): void {
    this.#numbers = [];                                    // those are QUEUED too
    this.#mustRequeue = this.share.calls.requeue() === 0;
    if (this.#mustRequeue) this.#pool.lookAgain(1);
    this.wakeOne();
  }

  /** Whether the worker runs a job, or serves its event loop. */
  isBusy(thread: number): boolean {
    return this.share.i32[this.share.calls.stateAt(thread) >> 2] === RUNNING_JOBS;
  }

  /** Whether the worker has started anything. */
  hasWorked(thread: number): boolean {
    return this.share.doneBy(thread) > 0 || this.startedBy(thread) > 0;
  }

  /** This thread's jobs that it has started. */
  jobsOf(thread: number): PlacedJob[] {
    return this.#jobs.filter((job) => job !== undefined && this.share.isStartedBy(job.id, thread)) as PlacedJob[];
  }

  /** Jobs it has started, this thread's and other workers'. */
  startedBy(thread: number): number {
    let count = 0;
    const end = this.state.threads << this.share.slotBits;
    for (let record = 0; record < end; record++) if (this.share.isStartedBy(record, thread)) count++;
    return count;
  }

  /** Jobs that are left, which are nobody's from now on. */
  takeAll(): PlacedJob[] {
    const jobs = this.#jobs.filter((job) => job !== undefined);
    this.#jobs.fill(undefined);
    this.size = 0;
    return jobs;
  }
}
