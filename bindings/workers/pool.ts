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
import { microtask, monotonicNow, reportDeath, startTimer, stopTimer, type HostTimer, unrefTimer } from "../host.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import type { RemoteBody, Task } from "../task/task.ts";
import { buryMember, familyTable, newMember } from "./family.ts";
import { type PackedError, packError, unpackError } from "./errors-wire.ts";
import type { WorkerMetrics } from "./seam.ts";
import { byDefinition, type SendableFunction, type TakenArgs, takeArgs, unpackShared } from "./sendable.ts";
import { receiveNow, startWorker, type StartOptions, tryNextOrigin, type WorkerThread } from "./start.ts";
import { CANCELLED, CLAIM, CONTROL_WORDS, DEAD, FULFILLED, FULFILLED_SHARED, HUNGRY, MAX_WINDOW, REJECTED, type Status, type ToParent, type ToWorker, type WorkerOrigin } from "./wire.ts";

/** Work that is delivered ahead, in microseconds of the worker's time. */
const AHEAD_MICROS = 2000;
/** What was delivered so lately, in ms, is left where it is: its worker is about to start it. */
const SETTLE_TIME = 1;
/** A job is left for a starting worker so long, in ms. */
const RESERVE_TIME = 3000;
/** A function nobody has measured yet: so many may be delivered when they can be taken back. */
const UNKNOWN_WINDOW = 32;
/** A worker that has not said that it is ready after so long, in ms, will not. */
const START_TIMEOUT = 15_000;
/** Workers in a row that die before they are ready; then what is queued is rejected. */
const MAX_START_FAILURES = 3;

export interface PoolOptions extends StartOptions {
  readonly size: number;
  readonly name: (index: number) => string;
  readonly isShared: boolean;
  readonly isSerial: boolean;
  readonly sharesJobs: boolean;
  /** How long an idle worker lives, in ms. */
  readonly keepAliveMs: number;
  readonly module?: ArrayBuffer | undefined;
}

/** A job waits in the queue, is delivered to a link, or is over. */
export class Job implements RemoteBody {
  readonly id: number;
  readonly sendable: SendableFunction;
  readonly taken: TakenArgs;
  readonly pool: Pool;
  link: Link | null = null;
  isOver = false;
  /** Whose handle it is, in this thread. */
  task: Task<unknown> | undefined;
  scheduler: CurrentThread | undefined;
  /** Or the worker that offered it, and its number there. */
  origin: Link | undefined;
  originId = 0;

  constructor(pool: Pool, sendable: SendableFunction, taken: TakenArgs) {
    this.id = pool.nextJobId();
    this.pool = pool;
    this.sendable = sendable;
    this.taken = taken;
  }

  abort(reason: JoinError): boolean {
    return this.pool.abort(this, packError(reason));
  }

  abandon(): void {
    this.pool.forget(this);
  }

  describe(): string {
    return this.link === null ? "a free thread" : "another thread";
  }

  /** From the wire: `value` is a PackedError unless it is fulfilled. */
  settle(status: Status, value: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    this.pool.jobEnded();
    if (this.origin !== undefined) {
      this.origin.answer(this.originId, status, value);
      return;
    }
    this.scheduler!.busyElsewhere--;
    const task = this.task!;
    if (status === FULFILLED) task.remoteSettled("fulfilled", value);
    else if (status === FULFILLED_SHARED) task.remoteSettled("fulfilled", unpackShared(value));
    else task.remoteSettled(status === CANCELLED ? "cancelled" : "rejected", unpackError(value as PackedError));
  }
}

/** Every pool of this thread that has jobs out: what `blockOn()` pumps. */
const activePools = new Set<Pool>();
/** Incremented by workers after they have answered; a parked parent waits on it. */
let parentWord: Int32Array | undefined;

function getParentWord(): Int32Array {
  parentWord ??= new Int32Array(new SharedArrayBuffer(4));
  return parentWord;
}

/** Sends and receives for every pool of this thread, without the event loop. False when this host cannot receive so. */
export function pumpPools(): boolean {
  if (receiveNow === undefined) return false;
  let canPark = false;
  for (const pool of activePools) {
    if (!pool.options.isShared) continue;                  // its workers could not rouse us
    canPark = true;
    pool.pump();
  }
  return canPark;
}

/** Blocks until a worker answers, at most `ms`; not when something has come meanwhile. */
export function parkForAnswers(ms: number): void {
  const before = received;
  const seen = Atomics.load(getParentWord(), 0);            // before the look: an answer after it changes the word
  pumpPools();
  if (received === before) Atomics.wait(getParentWord(), 0, seen, ms);
  pumpPools();
}

/** Messages and deaths that have come, on this thread. */
let received = 0;

let lastWorker = 0;

/** The owner's end of one worker. */
class Link {
  readonly name: string;
  readonly #pool: Pool;
  #thread!: WorkerThread;
  #origin!: WorkerOrigin;
  readonly control: Int32Array | undefined;
  isReady = false;
  isDead = false;
  readonly inFlight = new Map<number, Job>();
  /** Delivered and, as far as is known, not started; oldest first. */
  readonly unstarted: Job[] = [];
  #delivered = 0;
  #started = 0;
  done = 0;
  #known = new Set<number>();
  #outJobs: unknown[] = [];
  #outDefinitions: SendableFunction[] = [];
  #outTransfer: Transferable[] = [];
  #outAnswers: unknown[] = [];
  isRecalling = false;
  readonly createdAt = monotonicNow();
  deliveredAt = 0;
  hungrySent = 0;
  idleTimer: HostTimer | undefined;
  #startTimer: HostTimer | undefined;

  constructor(pool: Pool, index: number) {
    this.#pool = pool;
    const { options } = pool;
    this.name = options.name(index);
    this.control = options.isShared ? new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4)) : undefined;
    const lock = receiveNow === undefined && typeof navigator === "object" && "locks" in navigator ? `tokiwa-${++lastWorker}-${Math.random()}` : undefined;
    const { thread, origin } = startWorker(
      {
        name: this.name,
        index,
        isSerial: options.isSerial,
        sharesJobs: options.sharesJobs,
        control: this.control,
        parentWord: options.isShared ? getParentWord() : undefined,
        lock,
        family: familyTable(),
        member: (this.#member = newMember()),
        module: options.module,
      },
      options,
      (error) => this.died(error),
    );
    this.#thread = thread;
    this.#origin = origin;
    thread.port.onmessage = (event: MessageEvent<ToParent>) => this.receive(event.data);
    (thread.port as { unref?: () => void }).unref?.();
    thread.setRef(pool.outstanding > 0);
    this.#startTimer = startTimer(() => this.died(new Error(`the worker was not ready after ${START_TIMEOUT} ms`)), START_TIMEOUT);
    unrefTimer(this.#startTimer);
    this.#lock = lock;
  }

  readonly #lock: string | undefined;
  #member = 0;

  setRef(on: boolean): void {
    this.#thread.setRef(on);
  }

  // ---- what is in there

  /** Jobs that hold the worker or wait for it. */
  get occupancy(): number {
    if (this.#pool.options.isSerial) return this.inFlight.size;
    this.refreshStarted();
    return this.unstarted.length;
  }

  /** Takes what is known to have started off the list of what has not. */
  refreshStarted(): void {
    if (this.control !== undefined) {
      const head = Atomics.load(this.control, CLAIM) & 0xffff;
      this.#dropStarted((head - this.#started) & 0xffff);
    }
  }

  #dropStarted(count: number): void {
    if (count <= 0) return;
    this.#started += count;
    this.unstarted.splice(0, count);
  }

  // ---- sending

  deliver(job: Job): void {
    const { sendable, taken } = job;
    const { id } = sendable.definition;
    if (!this.#known.has(id)) {
      this.#known.add(id);
      this.#outDefinitions.push(sendable);
    }
    job.link = this;
    this.inFlight.set(job.id, job);
    this.unstarted.push(job);
    const { args } = taken;
    const out = this.#outJobs;
    out.push(job.id, id, taken.hasShared ? -args.length - 1 : args.length);
    for (const arg of args) out.push(arg);
    if (taken.transfer !== undefined) this.#outTransfer.push(...taken.transfer);
    this.#delivered++;
    if (this.idleTimer !== undefined) {
      stopTimer(this.idleTimer);
      this.idleTimer = undefined;
    }
  }

  flush(): void {
    if (this.isDead) return;
    if (this.#outJobs.length > 0) {
      const jobs = this.#outJobs;
      const transfer = this.#outTransfer;
      const definitions = this.#outDefinitions.length > 0 ? this.#outDefinitions.map((s) => s.definition) : undefined;
      this.#outJobs = [];
      this.deliveredAt = monotonicNow();
      if (transfer.length > 0) this.#outTransfer = [];
      if (definitions !== undefined) this.#outDefinitions = [];
      if (this.control !== undefined) this.#moveTail(this.#delivered);
      this.#post({ k: "jobs", definitions, jobs }, transfer);
    }
    if (this.#outAnswers.length > 0) {
      const answers = this.#outAnswers;
      this.#outAnswers = [];
      this.#post({ k: "answers", answers }, []);
    }
  }

  #post(message: ToWorker, transfer: Transferable[]): void {
    this.#thread.port.postMessage(message, transfer);
  }

  #moveTail(to: number): void {
    const control = this.control!;
    for (;;) {
      const word = Atomics.load(control, CLAIM);
      const next = (word & 0xffff) | ((to & 0xffff) << 16);
      if (Atomics.compareExchange(control, CLAIM, word, next) === word) return;
    }
  }

  abort(job: Job, reason: PackedError): void {
    this.#post({ k: "abort", id: job.id, reason }, []);
  }

  /** The outcome of a job this worker had offered. */
  answer(id: number, status: Status, value: unknown): void {
    if (this.isDead) return;
    if (this.#outAnswers.length === 0) this.#pool.scheduleDispatch();
    this.#outAnswers.push(id, status, value);
  }

  setHungry(count: number): void {
    if (this.hungrySent === count || this.isDead) return;
    this.hungrySent = count;
    if (this.control !== undefined) Atomics.store(this.control, HUNGRY, count);
    else if (this.isReady) this.#post({ k: "hungry", count }, []);
  }

  /** Takes back the newest half of what has not started. With messages the answer comes later. */
  takeBack(): Job[] {
    this.refreshStarted();
    const count = (this.unstarted.length + 1) >> 1;
    if (count === 0) return [];
    if (this.control === undefined) {
      if (!this.isRecalling) this.#post({ k: "recall", count }, []);
      this.isRecalling = true;
      return [];
    }
    const taken = this.#claimBack(count);
    if (taken > 0 && !this.isRecalling) {
      this.isRecalling = true;                             // nothing more is delivered until it has let go of them
      this.#post({ k: "recall", count: taken }, []);
    }
    const jobs = this.unstarted.splice(this.unstarted.length - taken, taken);
    for (const job of jobs) this.#returned(job);
    return jobs;
  }

  #claimBack(count: number): number {
    const control = this.control!;
    for (;;) {
      const word = Atomics.load(control, CLAIM);
      const head = word & 0xffff;
      const left = ((word >>> 16) - head) & 0xffff;
      const taken = Math.min(count, left);
      if (taken === 0) return 0;
      const next = head | ((((word >>> 16) - taken) & 0xffff) << 16);
      if (Atomics.compareExchange(control, CLAIM, word, next) !== word) continue;
      this.#delivered -= taken;
      this.#dropStarted((head - this.#started) & 0xffff);
      return taken;
    }
  }

  #returned(job: Job): void {
    this.inFlight.delete(job.id);
    job.link = null;
  }

  // ---- receiving

  receive(message: ToParent): void {
    if (this.isDead) return;
    received++;
    switch (message.k) {
      case "ready":
        this.#ready();
        break;
      case "answers":
        this.#answered(message.answers, message.started);
        break;
      case "recalled":
        this.isRecalling = false;
        this.#recalled(message.ids);
        break;
      case "offer":
        this.#offered(message.definitions, message.jobs);
        break;
      case "abort":
        this.#pool.abortOffered(this, message.id, message.reason);
        break;
      default:
        this.died(new Error("the worker sent something that is no message of this package"));
    }
  }

  #ready(): void {
    this.isReady = true;
    if (this.#startTimer !== undefined) stopTimer(this.#startTimer);
    this.#startTimer = undefined;
    const lock = this.#lock;
    if (lock !== undefined) void navigator.locks.request(lock, () => this.died(new Error("the worker has closed itself")));
    this.#pool.started();
  }

  #answered(answers: unknown[], started: number): void {
    if (this.control === undefined) this.#dropStarted(started - this.#started);
    else this.refreshStarted();
    for (let i = 0; i < answers.length; i += 4) {
      const job = this.inFlight.get(answers[i] as number);
      if (job === undefined) continue;
      this.inFlight.delete(job.id);
      this.done++;
      const micros = answers[i + 3] as number;
      const { sendable } = job;
      const known = sendable.micros;
      if (known < 0) sendable.micros = micros;
      else sendable.micros = known + (micros - known) * (micros < known || this.control === undefined ? 0.25 : 0.03);   // what waits in vain can be taken back
      job.settle(answers[i + 1] as Status, answers[i + 2]);
    }
    this.#pool.scheduleDispatch();
  }

  #recalled(ids: number[]): void {
    const jobs: Job[] = [];
    for (const id of ids) {
      const job = this.inFlight.get(id);
      if (job === undefined) continue;
      const at = this.unstarted.indexOf(job);
      if (at >= 0) this.unstarted.splice(at, 1);
      this.#delivered--;
      this.#returned(job);
      jobs.push(job);
    }
    this.#pool.requeue(jobs);
    this.#pool.scheduleDispatch();
  }

  #offered(definitions: { id: number }[] | undefined, jobs: unknown[]): void {
    if (definitions !== undefined) for (const definition of definitions) this.#theirs.set(definition.id, byDefinition(definition as never));
    for (let i = 0; i < jobs.length; ) {
      const id = jobs[i] as number;
      const sendable = this.#theirs.get(jobs[i + 1] as number) as SendableFunction;
      const count = jobs[i + 2] as number;
      const hasShared = count < 0;
      const size = hasShared ? -count - 1 : count;
      const args = jobs.slice(i + 3, i + 3 + size);
      i += 3 + size;
      this.#pool.offered(this, id, sendable, { args, transfer: undefined, hasShared });
    }
  }

  readonly #theirs = new Map<number, SendableFunction>();

  /** Receives without the event loop. */
  pump(): void {
    if (receiveNow === undefined) return;
    for (let got = receiveNow(this.#thread.port); got !== undefined; got = receiveNow(this.#thread.port)) this.receive(got.message as ToParent);
    if (this.control !== undefined && Atomics.load(this.control, DEAD) !== 0) this.died(new Error("the worker exited"));
  }

  // ---- the end

  died(error: unknown): void {
    if (this.isDead) return;
    this.isDead = true;
    received++;
    if (this.#startTimer !== undefined) stopTimer(this.#startTimer);
    void this.#thread?.terminate().catch(() => {});
    buryMember(this.#member);
    const unstarted: Job[] = [];
    if (this.control !== undefined) {
      this.refreshStarted();
      for (const job of this.unstarted) {
        this.#returned(job);
        unstarted.push(job);
      }
    }
    const started = [...this.inFlight.values()];
    this.inFlight.clear();
    this.#pool.linkDied(this, error, started, unstarted, this.#origin);
  }

  terminate(): Promise<void> {
    this.isDead = true;
    if (this.#startTimer !== undefined) stopTimer(this.#startTimer);
    if (this.idleTimer !== undefined) stopTimer(this.idleTimer);
    return this.#thread.terminate().finally(() => buryMember(this.#member));
  }
}

export class Pool {
  readonly options: PoolOptions;
  #queue: Job[] = [];
  #queueHead = 0;
  readonly #links: Link[] = [];
  #lastJob = 0;
  #lastIndex = 0;
  #startFailures = 0;
  #isScheduled = false;
  isClosed = false;
  /** Jobs that are not over. */
  outstanding = 0;
  #endings: Promise<void>[] = [];
  #onIdle: (() => void)[] = [];
  readonly #offers = new Map<Link, Map<number, Job>>();

  constructor(options: PoolOptions) {
    this.options = options;
  }

  nextJobId(): number {
    return ++this.#lastJob;
  }

  // ---- submitting

  /**
   * Runs `sendable` for `task`, which must have been made a remote one of the job. Arguments are taken now.
   *
   * @throws what structuredClone throws for arguments that cannot be sent
   */
  submit(scheduler: CurrentThread, task: Task<unknown>, sendable: SendableFunction, args: unknown[]): void {
    let taken: TakenArgs;
    try {
      taken = takeArgs(args);
    } catch (error) {
      this.reject(scheduler, task, error);
      return;
    }
    const job = new Job(this, sendable, taken);
    job.task = task.ofRemote(job);
    job.scheduler = scheduler;
    scheduler.admit(task);
    scheduler.busyElsewhere++;
    this.#enqueue(job);
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

  offered(origin: Link, originId: number, sendable: SendableFunction, taken: TakenArgs): void {
    const job = new Job(this, sendable, taken);
    job.origin = origin;
    job.originId = originId;
    let offers = this.#offers.get(origin);
    if (offers === undefined) this.#offers.set(origin, (offers = new Map()));
    offers.set(originId, job);
    this.#enqueue(job);
  }

  #enqueue(job: Job): void {
    if (this.outstanding++ === 0) {
      activePools.add(this);
      for (const link of this.#links) link.setRef(true);
    }
    this.#queue.push(job);
    this.scheduleDispatch();
  }

  requeue(jobs: Job[]): void {
    if (jobs.length === 0) return;
    this.#queue = [...jobs, ...this.#queue.slice(this.#queueHead)];
    this.#queueHead = 0;
    this.scheduleDispatch();
  }

  jobEnded(): void {
    if (--this.outstanding > 0) return;
    activePools.delete(this);
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
    this.#startWorkers();
    const reserved = this.options.sharesJobs ? this.#startingLately() : 0;
    while (this.queued > reserved) {
      const link = this.#freest();
      if (link === undefined) break;
      this.#fill(link, reserved);
    }
    if (this.queued > 0 && this.queued <= reserved) this.#lookAgain(RESERVE_TIME);
    let idle = 0;
    for (const link of this.#links) {
      link.flush();
      if (link.isReady && link.occupancy === 0 && !link.isDead) {
        idle++;
        if (link.inFlight.size === 0) this.#rest(link);
      }
    }
    if (this.queued > 0) idle = 0;
    else if (idle > 0) this.#rebalance(idle);
    if (this.options.sharesJobs) for (const link of this.#links) link.setHungry(idle);
  }

  #startWorkers(): void {
    const { size } = this.options;
    let starting = 0;
    let idle = 0;
    for (const link of this.#links) {
      if (!link.isReady) starting++;
      else if (link.occupancy === 0) idle++;
    }
    this.#startAtLeast(Math.min(size, this.#links.length + Math.max(0, this.queued - starting - idle)));
  }

  #startAtLeast(count: number): void {
    while (this.#links.length < count) {
      try {
        this.#links.push(new Link(this, this.#lastIndex++));
      } catch (error) {
        this.#startFailures = MAX_START_FAILURES;
        this.#startFailed(error);
        return;
      }
    }
  }

  /** The ready worker with the least to do, if one has room. */
  #freest(): Link | undefined {
    const next = this.#queue[this.#queueHead] as Job;
    let best: Link | undefined;
    let least = Infinity;
    const fair = this.#fairShare();
    for (const link of this.#links) {
      if (!link.isReady || link.isDead || link.isRecalling) continue;
      const { occupancy } = link;
      if (occupancy < least && occupancy < this.#window(next) && link.inFlight.size < fair) {
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
      this.#queue[this.#queueHead++] = undefined as unknown as Job;
      if (!job.isOver) link.deliver(job);
    }
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    } else if (this.#queueHead > 4096 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
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
      if (waiting > 0 && now - link.deliveredAt < SETTLE_TIME) this.#lookAgain(SETTLE_TIME * 2);
      else if (waiting > count && link.occupancy > (this.options.isSerial ? 1 : 0)) {
        count = waiting;
        most = link;
      }
    }
    if (most === undefined || idle === 0) return;
    this.requeue(most.takeBack());
  }

  #lookAgain(ms: number): void {
    if (this.#looksAgain) return;
    this.#looksAgain = true;
    startTimer(() => {
      this.#looksAgain = false;
      this.scheduleDispatch();
    }, ms);
  }

  #looksAgain = false;

  /** An idle worker goes after its keep-alive. */
  #rest(link: Link): void {
    const { keepAliveMs } = this.options;
    if (keepAliveMs === Infinity || link.idleTimer !== undefined) return;
    link.idleTimer = startTimer(() => {
      link.idleTimer = undefined;
      if (link.inFlight.size > 0 || link.isDead) return;
      this.#remove(link);
      void link.terminate().catch(() => {});
    }, keepAliveMs);
    unrefTimer(link.idleTimer);
  }

  started(): void {
    this.#startFailures = 0;
    this.scheduleDispatch();
  }

  // ---- aborts

  /** True when the job will not run at all. */
  abort(job: Job, reason: PackedError): boolean {
    if (job.isOver) return false;
    if (job.link !== null) {
      job.link.abort(job, reason);
      return false;
    }
    this.forget(job);
    return true;
  }

  abortOffered(origin: Link, id: number, reason: PackedError): void {
    const job = this.#offers.get(origin)?.get(id);
    if (job === undefined || job.isOver) return;
    if (job.link === null) job.settle(CANCELLED, reason);
    else job.link.abort(job, reason);
  }

  /** Its outcome will not be asked for. */
  forget(job: Job): void {
    if (job.isOver) return;
    job.isOver = true;
    if (job.scheduler !== undefined) job.scheduler.busyElsewhere--;
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
    if (!link.isReady) {
      if (tryNextOrigin(origin)) {
        this.scheduleDispatch();
        return;
      }
      this.#startFailures++;
    }
    reportDeath(`tokiwa: worker "${link.name}" died: ${String(error)}`);
    const reason = packError(
      new JoinError("TOKIWA_WORKER_DIED", `the worker "${link.name}" died while the task ran: ${error instanceof Error ? error.message : String(error)}`, { cause: error }),
    );
    this.requeue(unstarted);
    for (const job of started) job.settle(REJECTED, reason);
    if (this.#startFailures >= MAX_START_FAILURES) this.#startFailed(error);
    this.scheduleDispatch();
  }

  /** No worker can be started: nothing queued will ever run. */
  #startFailed(error: unknown): void {
    this.#startFailures = 0;
    if (this.#links.some((link) => link.isReady)) return;
    const reason = packError(new JoinError("TOKIWA_WORKER_DIED", `no worker could be started: ${error instanceof Error ? error.message : String(error)}`, { cause: error }));
    const queue = this.#queue.slice(this.#queueHead);
    this.#queue = [];
    this.#queueHead = 0;
    for (const job of queue) job.settle(REJECTED, reason);
  }

  // ---- without an event loop

  pump(): void {
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

  /** Ends every worker now; what is left is cancelled with `reason`. Resolves when they have ended. */
  close(reason: JoinError): Promise<void> {
    if (!this.isClosed) {
      this.isClosed = true;
      const links = this.#links.splice(0);
      const packed = packError(reason);
      const jobs = [...this.#queue.slice(this.#queueHead), ...links.flatMap((link) => [...link.inFlight.values()])];
      this.#queue = [];
      this.#queueHead = 0;
      this.#endings = links.map((link) => link.terminate().catch(() => {}));
      for (const job of jobs) job.settle(CANCELLED, packed);
    }
    return Promise.all(this.#endings).then(() => {});
  }

  metrics(): WorkerMetrics[] {
    return this.#links.map((link) => ({ name: link.name, isReady: link.isReady, jobsInFlight: link.inFlight.size, jobsDone: link.done }));
  }
}
