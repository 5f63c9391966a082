// A pool of workers, seen from the thread that owns it.
//
//   submit -> queue --dispatch--> link (delivered) --> started in the worker --> answered
//               ^------- taken back, or its worker died unstarted ----|
//
// A worker gets at most its share, ceil(queued / workers), workers still starting included: a
// greedy first one would take all of a cold queue. And it gets no more than it can start soon (`window`):
// how long a function holds a worker is measured, so that nothing waits behind a long job.
// With shared memory what was delivered can be taken back until it starts (CLAIM, see wire.ts); with messages
// only while the worker's event loop turns.
//
// Everything that is queued in one turn goes out in one message for each worker.

import { JoinError } from "../errors.ts";
import { type HostTimer, microtask, monotonicNow, reportDeath, startTimer, stopTimer, unrefTimer } from "../host.ts";
import { show } from "../options.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import type { Task } from "../task/task.ts";
import { type PackedError, packError } from "./errors-wire.ts";
import { Job, type JobOwner, PlacedJob } from "./job.ts";
import { Link, type LinkOptions, type LinkOwner } from "./link.ts";
import { MessageLookout } from "./lookout.ts";
import { type Pumped, setActive } from "./parking.ts";
import type { WorkerMetrics } from "./seam.ts";
import { arityOf, type SendableFunction, type TakenArgs, takeArgs, tellWhenOver } from "./sendable.ts";
import { newShare } from "./share.ts";
import { SharedJobs, type SharedJobsOwner } from "./shared-jobs.ts";
import { nextOrigin } from "./start.ts";
import { CANCELLED, MAX_WINDOW, REJECTED, type ToWorker, type WorkerOrigin } from "./wire.ts";

/** Work that is delivered ahead, in microseconds of the worker's time. */
const AHEAD_MICROS = 1000;
/** A worker may take so long, in ms, to start its first job. */
const WELCOME_TIME = 100;
/** A job is left for a starting worker so long, in ms. */
const RESERVE_TIME = 3000;
/** A function nobody has measured yet: so many may be delivered when they can be taken back. */
const UNKNOWN_WINDOW = 32;
/** Workers in a row that die before they have started anything; then what is queued is rejected. */
const MAX_START_FAILURES = 3;

/** In words: a worker can die of anything that can be thrown. */
function textOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return show(error);
  }
}

export interface PoolOptions extends LinkOptions {
  /** How long an idle worker lives, in ms. */
  readonly keepAliveMs: number;
}

export class Pool implements JobOwner, LinkOwner, Pumped, SharedJobsOwner {
  readonly options: PoolOptions;
  #queue: Job[] = [];
  #queueHead = 0;
  readonly #links: Link[] = [];
  #lastIndex = 0;
  #startFailures = 0;
  #isScheduled = false;
  isClosed = false;
  origin: WorkerOrigin | undefined;
  /** Jobs that are not over. */
  outstanding = 0;
  #endings: Promise<void>[] = [];
  #onIdle: (() => void)[] = [];
  readonly #offers = new Map<Link, Map<number, Job>>();
  readonly lookout: MessageLookout = new MessageLookout();

  /** Where small jobs go, when threads share memory and jobs. */
  readonly shared: SharedJobs | undefined;
  /** Workers by their place among the threads that share memory; dead ones too, until they are buried. */
  readonly #places: (Link | undefined)[] = [];
  readonly #deaths = new Map<Link, JoinError>();

  constructor(options: PoolOptions) {
    this.options = options;
    this.shared = options.isShared && options.sharesJobs ? new SharedJobs(newShare(options.size), this) : undefined;
  }

  tell(thread: number, message: ToWorker, transfer?: Transferable[]): boolean {
    const link = this.#places[thread];
    if (link === undefined || link.isDead) return false;
    link.post(message, transfer);
    return true;
  }

  tellAll(message: ToWorker, but?: number): void {
    for (const link of this.#links) if (link.thread !== but) link.post(message);
  }

  /** Its workers can wake this thread while it is parked. */
  get canRouse(): boolean {
    return this.options.isShared;
  }

  /** All jobs that are out lie in records, and no worker has said anything else. */
  get needsNoMessages(): boolean {
    return this.shared !== undefined && this.outstanding === this.shared.size && this.#links.some((link) => link.isReady) && this.#links.every((link) => link.isDead || link.hasNoMail);
  }

  // ---- submitting

  /**
   * Runs `sendable` for `task`, which must have been made a remote one of the job. Arguments are taken now.
   *
   * @throws what structuredClone throws for arguments that cannot be sent
   */
  submit(scheduler: CurrentThread, task: Task<unknown>, sendable: SendableFunction, args: unknown[]): void {
    const { name } = task;
    if (name !== undefined) {
      sendable = sendable.named;
      args = [...args, name];
    }
    if (this.#queuedFirst < this.options.size) this.#queuedFirst++;
    else if (this.shared !== undefined && this.queued === 0 && this.#submitShared(this.shared, scheduler, task, sendable, args)) return;
    let taken: TakenArgs;
    try {
      taken = takeArgs(args);
    } catch (error) {
      this.reject(scheduler, task, error);
      return;
    }
    const job = new Job(this, sendable, taken.args, arityOf(taken), taken.transfer, task, undefined, 0);
    task.ofRemote(job);
    tellWhenOver(task, taken);
    scheduler.admit(task);
    scheduler.busyElsewhere++;
    this.#enqueue(job);
  }

  /** The first jobs of a pool, one for each worker, wait in the queue: `#welcome()` gives them to those that start. */
  #queuedFirst = 0;

  /** Puts a job straight into a record. False when it does not fit into one, or none is free. */
  #submitShared(shared: SharedJobs, scheduler: CurrentThread, task: Task<unknown>, sendable: SendableFunction, args: unknown[]): boolean {
    if (!shared.share.hasFree) return false;
    const job = new PlacedJob(this, task);
    if (!shared.deliver(job, sendable, args)) return false;
    task.ofRemote(job);
    scheduler.admit(task);
    scheduler.busyElsewhere++;
    this.#jobBegins();
    this.scheduleDispatch();
    return true;
  }

  /** Settles a task that will not run. */
  reject(scheduler: CurrentThread, task: Task<unknown>, error: unknown): void {
    task.ofRemote({ abort: () => true, abandon() {}, describe: () => "nothing" });
    scheduler.admit(task);
    task.remoteSettled("rejected", error);
  }

  /** Starts workers before there is work. */
  prepare(count: number): void {
    this.#startAtLeast(count);
  }

  offered(origin: Link, originId: number, sendable: SendableFunction, args: unknown[], arity: number, transfer: Transferable[] | undefined): void {
    const job = new Job(this, sendable, args, arity, transfer, undefined, origin, originId);
    let offers = this.#offers.get(origin);
    if (offers === undefined) this.#offers.set(origin, (offers = new Map()));
    offers.set(originId, job);
    this.#enqueue(job);
  }

  offerEnded({ origin, originId }: Job): void {
    this.#offers.get(origin as Link)?.delete(originId);
  }

  #jobBegins(): void {
    if (this.outstanding++ > 0) return;
    setActive(this, true);
    for (const link of this.#links) link.setRef(true);
  }

  #enqueue(job: Job): void {
    this.#jobBegins();
    this.#queue.push(job);
    this.scheduleDispatch();
  }

  /** What was aborted meanwhile is over: the worker that was told of it has not started it, and the next one was told nothing. */
  requeue(jobs: Job[]): void {
    const again = jobs.filter(({ reason }) => reason === undefined);
    for (const job of jobs) if (job.reason !== undefined) job.settle(CANCELLED, job.reason);
    if (again.length === 0) return;
    this.#queue = [...again, ...this.#queue.slice(this.#queueHead)];
    this.#queueHead = 0;
    this.scheduleDispatch();
  }

  jobEnded(): void {
    if (--this.outstanding > 0) return;
    setActive(this, false);
    for (const link of this.#links) link.setRef(false);
    for (const fn of this.#onIdle.splice(0)) fn();
  }

  get queued(): number {
    return this.#queue.length - this.#queueHead;
  }

  scheduleDispatch(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    microtask(this.#dispatchSoon);
  }

  readonly #dispatchSoon = (): void => {
    if (this.#isScheduled) this.#dispatch();
  };

  // ---- who gets what

  #dispatch(): void {
    this.#isScheduled = false;
    if (this.isClosed) return;
    this.#startAtLeast(Math.min(this.options.size, this.outstanding));
    const reserved = this.options.sharesJobs ? this.#startingLately() : 0;
    if (this.shared !== undefined) {
      this.#welcome();
      this.#feed(this.shared, reserved);
    }
    while (this.queued > reserved && !this.#isFed) {
      const link = this.#freest();
      if (link === undefined) break;
      this.#fill(link, reserved);
    }
    if (this.queued > 0 && this.queued <= reserved) this.lookAgain(RESERVE_TIME);
    let idle = 0;
    for (const link of this.#links) {
      if (link.isReady && link.occupancy === 0 && !link.isDead) {
        idle++;
        if (link.inFlight.size === 0) this.#rest(link);
      }
    }
    if (this.queued > 0) idle = 0;
    for (const link of this.#links) {
      if (this.options.sharesJobs && !this.options.isShared) link.setHungry(idle);
      link.flush();
    }
    if (idle > 0) this.#rebalance(idle);
  }

  /** Gives what was held back for a worker to it, and not to the records: whoever is quicker would take it from there. */
  #welcome(): void {
    for (const link of this.#links) {
      if (!link.isReady || link.isDead || link.isWelcomed) continue;
      link.isWelcomed = true;
      if (this.queued === 0) continue;
      const job = this.#queue[this.#queueHead] as Job;
      this.#shift();
      if (!job.isOver) link.deliver(job);
    }
  }

  /** What is queued waits for records, and not for a worker. */
  #isFed = false;

  /** Moves what fits from the queue into records, and queues all of them for the workers. */
  #feed(shared: SharedJobs, reserved: number): void {
    this.#isFed = false;
    while (this.queued > reserved) {
      const job = this.#queue[this.#queueHead] as Job;
      if (!job.isOver) {
        if (!job.isSmall) break;
        if (!shared.deliver(job, job.sendable, job.args)) {
          if (shared.share.hasFree) break;
          // When nothing waits to be started, all records are held by jobs that wait for something: then more go by the port.
          this.#isFed = shared.share.calls.injected() > 0;
          if (this.#isFed) this.lookAgain(1);
          break;
        }
      }
      this.#shift();
    }
    shared.flush();
  }

  #shift(): void {
    this.#queue[this.#queueHead++] = undefined as unknown as Job;
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    } else if (this.#queueHead > 4096 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }

  /** A worker has queued jobs that nobody is there for. By now they may have been started, short ones most of all. */
  crowded(): void {
    if (this.isClosed || this.shared === undefined) return;
    const ready = this.#links.filter(({ isReady }) => isReady).length;
    this.#startAtLeast(Math.min(this.options.size, ready + this.shared.share.calls.queuedByWorkers()));
  }

  #startAtLeast(count: number): void {
    while (this.#links.length < count) {
      try {
        const thread = this.#freePlace();
        if (thread < 0) return;                            // the dead one's place is not free yet
        const link = new Link(this, this.#lastIndex++, thread);
        if (thread > 0) this.#places[thread] = link;
        this.#links.push(link);
      } catch (error) {
        this.#startFailures = MAX_START_FAILURES;
        this.#startFailed(error);
        return;
      }
    }
  }

  /** 0 where memory is not shared, -1 when every place is taken. */
  #freePlace(): number {
    if (this.shared === undefined) return 0;
    for (let thread = 1; thread <= this.options.size; thread++) if (this.#places[thread] === undefined) return thread;
    return -1;
  }

  /**
   * The ready worker with the least to do, if one has room; of equals the one whose own tasks are least likely to hold it, and then one that is
   * new, so that it is not left out, or the one that worked last: it is warm, and asleep for the shortest time.
   */
  #freest(): Link | undefined {
    const next = this.#queue[this.#queueHead] as Job;
    let best: Link | undefined;
    let least = Infinity;
    const fair = this.#fairShare();
    const window = this.#window(next);
    for (const link of this.#links) {
      if (!link.isReady || link.isDead || link.isRecalling) continue;
      const occupancy = link.occupancy + (this.shared?.isBusy(link.thread) === true ? 0.5 : 0);
      if (occupancy >= window || link.inFlight.size >= fair) continue;
      if (best === undefined || occupancy < least || (occupancy === least && (link.inFlight.size < best.inFlight.size || (link.inFlight.size === best.inFlight.size && link.isWarmerThan(best))))) {
        least = occupancy;
        best = link;
      }
    }
    return best;
  }

  /** Jobs for each worker if all that there are were dealt out evenly, to those that are still starting too. */
  #fairShare(): number {
    let jobs = this.queued;
    for (const link of this.#links) jobs += link.inFlight.size;
    return Math.ceil(jobs / this.#links.length);
  }

  /** How many jobs like this one may wait in a worker. */
  #window(job: Job): number {
    if (job.transfer !== undefined && this.options.size > 1) return 1;   // it cannot be taken back, so it goes to who can start it
    const { micros } = job.sendable;
    if (micros < 0) return this.options.isShared ? UNKNOWN_WINDOW : 1;
    if (micros <= AHEAD_MICROS / MAX_WINDOW) return MAX_WINDOW;
    return Math.max(1, Math.floor(AHEAD_MICROS / micros));
  }

  /** Workers about to be ready: one job is left for each, or a quick first worker would leave them nothing. */
  #startingLately(): number {
    const since = monotonicNow() - RESERVE_TIME;
    let count = 0;
    for (const link of this.#links) if (!link.isReady && link.createdAt > since) count++;
    return count;
  }

  #fill(link: Link, reserved: number): void {
    const share = Math.ceil(this.queued / this.#links.length);
    const fair = this.#fairShare();
    const { occupancy } = link;
    for (let n = 0; n < share && link.inFlight.size < fair && this.queued > reserved; n++) {
      const job = this.#queue[this.#queueHead] as Job;
      if (n > 0 && occupancy + n >= this.#window(job)) break;
      this.#shift();
      if (!job.isOver) link.deliver(job);
    }
  }

  /** Nothing is queued and somebody has nothing to do: takes back from whoever has most. */
  #rebalance(idle: number): void {
    let most: Link | undefined;
    let count = 0;
    const now = monotonicNow();
    for (const link of this.#links) {
      if (link.isDead || (link.isRecalling && link.control === undefined)) continue;
      link.refreshStarted();
      const waiting = link.unstarted.length;
      if (waiting > 0 && link.done === 0 && now - link.deliveredAt < WELCOME_TIME) this.lookAgain(WELCOME_TIME);
      else if (waiting > 0 && now < link.settlesAt) this.lookAgain(link.settlesAt - now + 1);
      else if (waiting > count && link.occupancy > (this.options.isSerial ? 1 : 0)) {
        count = waiting;
        most = link;
      }
    }
    if (most === undefined || idle === 0) return;
    this.requeue(most.takeBack());
  }

  /** Dispatches again after `ms`, or sooner. */
  lookAgain(ms: number): void {
    const at = monotonicNow() + ms;
    if (this.#lookTimer !== undefined) {
      if (this.#looksAt <= at) return;
      stopTimer(this.#lookTimer);
    }
    this.#looksAt = at;
    this.#lookTimer = startTimer(() => {
      this.#lookTimer = undefined;
      this.scheduleDispatch();
    }, ms);
    unrefTimer(this.#lookTimer);                           // while there are jobs, workers keep the process alive
  }

  #lookTimer: HostTimer | undefined;
  #looksAt = 0;

  /** An idle worker goes after its keep-alive. */
  #rest(link: Link): void {
    const { keepAliveMs } = this.options;
    if (keepAliveMs === Infinity) return;
    link.rest(keepAliveMs, () => {
      this.#remove(link);
      void link.terminate().catch(() => {});
    });
  }

  /** A worker has answered for the first time. */
  worked(): void {
    this.#startFailures = 0;
  }

  // ---- aborts

  /** True when the job will not run at all. */
  abort(job: PlacedJob, reason: PackedError): boolean {
    if (job.isOver) return false;
    if (job.place !== null && !job.place.abort(job, reason)) return false;
    this.forget(job);
    return true;
  }

  abortOffered(origin: Link, id: number, reason: PackedError): void {
    const job = this.#offers.get(origin)?.get(id);
    if (job === undefined || job.isOver) return;
    if (job.place === null || job.place.abort(job, reason)) job.settle(CANCELLED, reason);
  }

  /** Its outcome will not be asked for. */
  forget(job: PlacedJob): void {
    if (job.isOver) return;
    job.isOver = true;
    if (job.task !== undefined) (job.task.scheduler as CurrentThread).busyElsewhere--;
    this.jobEnded();
  }

  // ---- deaths

  #remove(link: Link): void {
    const at = this.#links.indexOf(link);
    if (at >= 0) this.#links.splice(at, 1);
    this.#offers.delete(link);
  }

  linkDied(link: Link, error: unknown, started: Job[], unstarted: Job[], origin: WorkerOrigin): void {
    this.#remove(link);
    if (this.isClosed) return;
    const next = link.isReady ? undefined : nextOrigin(origin);
    if (next !== undefined) {
      this.origin = next;
      this.scheduleDispatch();
      return;
    }
    if (link.done === 0 && started.length === 0 && this.shared?.hasWorked(link.thread) !== true) {         // it was of no use, and perhaps none ever will be
      this.#startFailures += link.isLate ? MAX_START_FAILURES : 1;   // the next would keep everybody waiting as long
    }
    const reason = new JoinError("TOKIWA_WORKER_DIED", `the worker "${link.name}" died while the task ran: ${error instanceof Error ? textOf(error.message) : textOf(error)}`, { cause: error });
    if (link.thread > 0) this.#deaths.set(link, reason);
    this.requeue(unstarted);
    for (const job of started) job.settle(REJECTED, job.died(reason));
    if (this.#startFailures >= MAX_START_FAILURES) this.#startFailed(error);
    this.scheduleDispatch();
    reportDeath(`tokiwa: worker "${link.name}" died: ${textOf(error)}`);
  }

  linkGone(link: Link): void {
    if (link.thread === 0 || this.#places[link.thread] !== link) return;
    this.#places[link.thread] = undefined;
    const reason = this.#deaths.get(link);
    this.#deaths.delete(link);
    if (this.isClosed) return;
    this.shared?.bury(link.thread, reason ?? new JoinError("TOKIWA_WORKER_DIED", `the worker "${link.name}" did not start`));
    this.scheduleDispatch();
  }

  /** No worker can be started: nothing queued will ever run. */
  #startFailed(error: unknown): void {
    this.#startFailures = 0;
    this.origin = undefined;
    if (this.#links.some((link) => link.isReady)) return;
    const reason = packError(new JoinError("TOKIWA_WORKER_DIED", `no worker could be started: ${error instanceof Error ? textOf(error.message) : textOf(error)}`, { cause: error }));
    const queue = this.#queue.slice(this.#queueHead);
    this.#queue = [];
    this.#queueHead = 0;
    for (const job of [...queue, ...(this.shared?.takeAll() ?? [])]) job.settle(REJECTED, reason);
  }

  // ---- without an event loop

  pump(): void {
    this.shared?.look();
    this.#dispatch();
    for (const link of [...this.#links]) link.pump();
    if (this.#isScheduled) this.#dispatch();
  }

  // ---- the end

  /** Calls back when no job is left. */
  whenIdle(fn: () => void): void {
    if (this.outstanding === 0) fn();
    else this.#onIdle.push(fn);
  }

  /** Ends every worker now; what is left is cancelled with `reason`. Resolves when they have ended. `due`: see outputOf(). */
  close(reason: JoinError, due?: number): Promise<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      const links = this.#links.splice(0);
      let packed: PackedError | undefined;                 // its stack takes a millisecond
      const jobs = [...this.#queue.slice(this.#queueHead), ...links.flatMap((link) => link.inFlight.all()), ...(this.shared?.takeAll() ?? [])];
      this.#queue = [];
      this.#queueHead = 0;
      this.#endings = links.map((link) => link.terminate(due).catch(() => {}));
      for (const job of jobs) job.settle(CANCELLED, (packed ??= packError(reason)));
    }
    return Promise.all(this.#endings).then(() => {});
  }

  metrics(): WorkerMetrics[] {
    const { shared } = this;
    return this.#links.map((link) => ({
      name: link.name,
      isReady: link.isReady,
      jobsInFlight: link.inFlight.size + (shared?.startedBy(link.thread) ?? 0),
      jobsDone: link.done + (shared?.share.doneBy(link.thread) ?? 0),
      taskNames: [...link.inFlight.all(), ...(shared?.jobsOf(link.thread) ?? [])].map(({ task }) => task?.name).filter((name) => name !== undefined),
    }));
  }
}
