// The parent's end of one worker: what it was given, what it has started, what it has answered.
//
//   deliver() ... flush()   one message for all that was delivered in a turn
//   inFlight                delivered and not answered, by number
//   unstarted               delivered and, as far as is known, not started; oldest first
//
// With shared memory the worker moves CLAIM as it starts jobs, and the parent takes unstarted ones back by the same word. With
// messages what has started comes with the answers, and jobs are taken back by asking.

import type { Job, JobPlace } from "./job.ts";
import { JobTable } from "./job-table.ts";
import { type HostTimer, monotonicNow, receive, receiveAll, receiveNow, startTimer, stopTimer, unrefTimer } from "../host.ts";
import { reportUnobserved } from "../task/failures.ts";
import { type PackedError, packError, unpackError } from "./errors-wire.ts";
import { buryFamily, buryMember, familyTable, newMember, warnMember } from "./family.ts";
import { Outbox } from "./outbox.ts";
import { addPrinter, atMost, outputOf, type Printer, removePrinter } from "./output.ts";
import { getParentWord, noteReceived } from "./parking.ts";
import type { MessageLookout } from "./lookout.ts";
import type { SharedJobs } from "./shared-jobs.ts";
import { byDefinition, notCloneable, type SendableFunction, transferablesOf } from "./sendable.ts";
import { keepOrigin, startWorker, type StartOptions, type WorkerThread } from "./start.ts";
import { ANSWER_HEADER, ANSWERS_START, CLAIM, CONTROL_WORDS, DEAD, type Definition, eachAnswer, FULFILLED_SHARED, JOB_HEADER, JOBS_START, MAIL, REJECTED, SENT, type Status, type ToParent, type ToWorker, type WorkerOrigin } from "./wire.ts";

/** A worker that has not said that it is ready after so long, in ms, will not. */
const START_TIMEOUT = 15_000;
/** A worker that has been given jobs starts them within so many ms, unless something holds it... */
const SETTLE_TIME = 1;
/** ...or their message takes long: at most so many times as long as it took to write it. */
const READ_FACTOR = 4;

/** What a link is told by its pool about its worker, and tells its pool. */
export interface LinkOwner {
  readonly options: LinkOptions;
  readonly outstanding: number;
  readonly lookout: MessageLookout;
  scheduleDispatch(): void;
  worked(): void;
  requeue(jobs: Job[]): void;
  offered(origin: Link, originId: number, sendable: SendableFunction, args: unknown[], arity: number, transfer: Transferable[] | undefined): void;
  abortOffered(origin: Link, id: number, reason: PackedError): void;
  crowded(): void;
  /** How its workers are started: undefined while the usual way works. */
  readonly origin: WorkerOrigin | undefined;
  linkDied(link: Link, error: unknown, started: Job[], unstarted: Job[], origin: WorkerOrigin): void;
  readonly shared: SharedJobs | undefined;
  tell(thread: number, message: ToWorker, transfer?: Transferable[]): boolean;
  /** The worker is dead and touches shared memory no more. */
  linkGone(link: Link): void;
}

export interface LinkOptions extends StartOptions {
  readonly size: number;
  readonly name: (index: number) => string;
  readonly isShared: boolean;
  readonly isSerial: boolean;
  readonly sharesJobs: boolean;
  readonly module?: ArrayBuffer | undefined;
  /** What a worker does with tasks of its own that fail and that nobody asks about; default: tells of them when it is clear that nobody will. */
  readonly unhandledFailure?: "report" | "ignore" | "shutdown";
  /** It has told of one. Default: as if it were one of this thread. */
  readonly onUnobserved?: (error: unknown) => void;
}

const closedItself = (): Error => new Error("the worker has closed itself");

let lastWorker = 0;

export class Link implements JobPlace, Printer {
  readonly name: string;
  readonly thread: number;
  readonly control: Int32Array | undefined;
  readonly createdAt: number = monotonicNow();
  readonly inFlight: JobTable<Job> = new JobTable<Job>();
  readonly unstarted: Job[] = [];
  isReady = false;
  isDead = false;
  /** It was given its first job, if there was one, when it was ready. */
  isWelcomed = false;
  /** It has died because it never said that it is ready. */
  isLate = false;
  done = 0;
  deliveredAt = 0;
  /** Until then it is no wonder that it has not started what it was given last. */
  settlesAt = 0;
  readonly #pool: LinkOwner;
  readonly #thread: WorkerThread;
  readonly #origin: WorkerOrigin;
  readonly #member: number;
  /** By which a page notices that its worker has ended; not every page has Web Locks. */
  #lock: string | undefined;
  readonly #known = new Set<number>();
  /** Functions that this worker has offered, by their number there. */
  readonly #theirs = new Map<number, SendableFunction>();
  #delivered = 0;
  #started = 0;
  /** See setHungry(); and what it was told. */
  #hungry = 0;
  #hungryTold = 0;
  /** It has jobs to give away: it is told whenever that number changes, and not only with its next jobs. */
  #isCrowded = false;
  #outJobs: unknown[] = Array(JOBS_START).fill(0);
  /** Where the last run begins in `#outJobs`, and the number that would continue it. */
  #run = -1;
  #runNext = 0;
  #outCount = 0;
  #outDefinitions: Definition[] | undefined;
  #outTransfer: Transferable[] | undefined;
  /** Outcomes of jobs that this worker has offered. */
  readonly #outAnswers = new Outbox((answers, transfer) => this.post({ k: "answers", answers }, transfer));
  /** Messages about jobs taken back that it has not answered. */
  #recalls = 0;
  /** It has begun to print. */
  #prints: boolean;
  /** It was asked for its output, and has had no job since. */
  #isFlushed = false;
  #onFlushed: (() => void) | undefined;
  /** Tasks of its own go on, see wire.ts. */
  #goesOn = false;
  #isWanted = false;
  #idleTimer: HostTimer | undefined;
  #startTimer: HostTimer | undefined;

  /** @param thread its place among the threads that share memory; 0 when they do not */
  constructor(pool: LinkOwner, index: number, thread: number) {
    this.#pool = pool;
    this.thread = thread;
    const { options } = pool;
    this.name = options.name(index);
    this.control = options.isShared ? new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4)) : undefined;
    this.#lock = receiveNow === undefined && typeof navigator === "object" && "locks" in navigator ? `tokiwa-${++lastWorker}-${Math.random()}` : undefined;
    this.#member = newMember();
    const { thread: worker, origin } = startWorker(
      {
        name: this.name,
        index,
        isSerial: options.isSerial,
        sharesJobs: options.sharesJobs,
        control: this.control,
        parentWord: options.isShared ? getParentWord() : undefined,
        lock: this.#lock,
        family: familyTable()?.buffer as SharedArrayBuffer | undefined,
        member: this.#member,
        share: pool.shared?.state,
        thread,
        definitions: pool.shared?.defined,
        module: options.module,
        unhandledFailure: options.unhandledFailure ?? "report",
      },
      options,
      pool.origin,
      (error) => {
        this.#receiveAll();                                // what it said before it died may come after the news of its death
        this.died(error);
      },
    );
    this.#thread = worker;
    this.#origin = origin;
    receive<ToParent>(worker.port, (message) => this.receive(message), () => this.died(new Error("a message of the worker could not be read")));
    (worker.port as { unref?: () => void }).unref?.();
    this.setRef(pool.outstanding > 0);
    this.#startTimer = startTimer(() => {
      this.isLate = true;
      this.died(new Error(`the worker was not ready after ${START_TIMEOUT} ms`));
    }, START_TIMEOUT);
    unrefTimer(this.#startTimer);
    this.#prints = options.factory !== undefined;          // it may have before it became one of ours
    if (!this.isDead) addPrinter(this);
  }

  setRef(on: boolean): void {
    if (on) this.#isFlushed = false;
    this.#isWanted = on;
    this.#thread.setRef(on || this.#goesOn);
  }

  // ---- what is in there

  /** Every message it has sent was received. */
  get hasNoMail(): boolean {
    return this.control !== undefined && Atomics.load(this.control, SENT) === this.#received;
  }
  #received = 0;

  /** It was told to let go of jobs, and has not said that it has. */
  get isRecalling(): boolean {
    return this.#recalls > 0;
  }

  /** Of two with as much to do: it is new, or it has worked last. */
  isWarmerThan(other: Link): boolean {
    if (this.done === 0 || other.done === 0) return this.done < other.done;
    return this.deliveredAt > other.deliveredAt;
  }

  /** Jobs that hold the worker or wait for it. */
  get occupancy(): number {
    if (this.#pool.options.isSerial) return this.inFlight.size;
    this.refreshStarted();
    return this.unstarted.length;
  }

  /** Takes what is known to have started off the list of what has not. */
  refreshStarted(): void {
    if (this.control === undefined) return;
    const head = Atomics.load(this.control, CLAIM) & 0xffff;
    this.#dropStarted((head - this.#started) & 0xffff);
  }

  #dropStarted(count: number): void {
    if (count <= 0) return;
    this.#started += count;
    this.unstarted.splice(0, count);
  }

  // ---- sending

  deliver(job: Job): void {
    const { sendable, args, arity, transfer } = job;
    this.inFlight.add(job);
    this.unstarted.push(job);
    job.place = this;
    const out = this.#outJobs;
    const { id } = sendable.definition;
    const run = this.#run;
    if (run >= 0 && job.id === this.#runNext && out[run] === id && out[run + 1] === arity) (out[run + 3] as number)++;
    else {
      if (!this.#known.has(id)) {
        this.#known.add(id);
        (this.#outDefinitions ??= []).push(sendable.definition);
      }
      this.#run = out.length;
      out.push(id, arity, job.id, 1);
    }
    this.#runNext = job.id + 1;
    for (let i = 0; i < args.length; i++) out.push(args[i]);
    if (transfer !== undefined) (this.#outTransfer ??= []).push(...transfer);
    this.#delivered++;
    this.#outCount++;
  }

  flush(): void {
    if (this.isDead) return;
    if (this.#outCount > 0) {
      const jobs = this.#outJobs;
      const count = this.#outCount;
      const transfer = this.#outTransfer;
      const definitions = this.#outDefinitions;
      this.#outJobs = Array(JOBS_START).fill(0);
      this.#outCount = 0;
      this.#run = -1;
      this.#outTransfer = this.#outDefinitions = undefined;
      const delivered = this.unstarted.slice(-count);
      this.deliveredAt = monotonicNow();
      this.#stopIdleTimer();
      if (this.control !== undefined) this.#moveTail(this.#delivered);
      jobs[0] = count;
      jobs[1] = this.#hungryTold = this.#hungry + 1;
      jobs[2] = definitions;
      try {
        this.post(jobs, transfer);
      } catch {
        this.#flushOneByOne(delivered, definitions);
      }
      this.#settle(delivered);
      if (this.#pool.outstanding <= this.#pool.options.size) this.#pool.lookout.begin();
    }
    if (!this.#outAnswers.isEmpty) this.#outAnswers.flush(0);
  }

  /** To read a message takes as long as to write it, or a few times that, and until it was read no job in it has started. One that was taken back stays twice as long with the next. */
  #settle(jobs: Job[]): void {
    const now = monotonicNow();
    let moves = 0;
    for (const job of jobs) if (job.moves > moves) moves = job.moves;
    this.settlesAt = Math.max(this.settlesAt, now + Math.max(SETTLE_TIME, (now - this.deliveredAt) * READ_FACTOR) * 2 ** moves);
  }

  /** One of the jobs cannot be sent, for a port in it was closed since it was taken: it fails its own task only. */
  #flushOneByOne(jobs: Job[], definitions: Definition[] | undefined): void {
    let untold = definitions;
    for (const job of jobs) {
      const { sendable, arity, id, args, transfer } = job;
      try {
        this.post([1, this.#hungryTold, untold, sendable.definition.id, arity, id, 1, ...args], transfer);
        untold = undefined;
      } catch (error) {
        this.unstarted.splice(this.unstarted.indexOf(job), 1);
        this.#delivered--;
        this.#returned(job);
        job.settle(REJECTED, packError(notCloneable("an argument", error)));
      }
    }
    this.#outDefinitions = untold;
    if (this.control !== undefined) this.#moveTail(this.#delivered);       // meanwhile it claimed no more than it had received
    this.#pool.scheduleDispatch();                         // there is room again, and perhaps no answer will come
  }

  post(message: ToWorker, transfer: Transferable[] = []): void {
    if (!this.isDead) this.#post(message, transfer);
  }

  #post(message: ToWorker, transfer: Transferable[]): void {
    this.#thread.port.postMessage(message, transfer);
    if (this.control !== undefined) Atomics.add(this.control, MAIL, 1);
    this.#pool.shared?.share.calls.rouse(this.thread);     // after MAIL: it may have blocked its event loop for a moment
  }

  #moveTail(to: number): void {
    const control = this.control!;
    for (;;) {
      const word = Atomics.load(control, CLAIM);
      const next = (word & 0xffff) | ((to & 0xffff) << 16);
      if (Atomics.compareExchange(control, CLAIM, word, next) === word) return;
    }
  }

  abort(job: Job, reason: PackedError): boolean {
    job.reason = reason;
    this.post({ k: "abort", id: job.id, generation: 0, reason });
    return false;
  }

  /** The outcome of a job this worker had offered. */
  answer(id: number, status: Status, value: unknown): void {
    if (this.isDead) return;
    if (this.#outAnswers.isEmpty) this.#pool.scheduleDispatch();
    this.#outAnswers.add(id, status, value, 0, transferablesOf(value));
  }

  /**
   * How many workers have nothing to do, as of flush(), which is next: with jobs it costs no message. One that gets jobs counts itself, as it
   * had nothing to do: rather an offer too many, for while it computes it hears of nobody who becomes idle.
   */
  setHungry(count: number): void {
    this.#hungry = count;
    if (!this.#isCrowded || this.#outCount > 0 || this.#hungryTold === count || this.isDead) return;
    this.#hungryTold = count;
    this.post({ k: "hungry", count });
  }

  /** Takes back the newest half of what has not started. With messages the answer comes later. */
  takeBack(): Job[] {
    this.refreshStarted();
    const count = Math.min((this.unstarted.length + 1) >> 1, this.#repeatable());
    if (count === 0) return [];
    if (this.control === undefined) {
      if (!this.isRecalling) this.post({ k: "recall", count });
      this.#recalls = 1;
      return [];
    }
    const taken = this.#claimBack(count);
    if (taken > 0) {
      this.#recalls++;                                     // nothing more is delivered until it has let go of all of them
      this.post({ k: "recall", count: taken });
    }
    const jobs = this.unstarted.splice(this.unstarted.length - taken, taken);
    for (const job of jobs) {
      job.moves++;
      this.#returned(job);
    }
    return jobs;
  }

  /** How many of the newest could be delivered once more: what was transferred with a job is not here any longer. */
  #repeatable(): number {
    let at = this.unstarted.length;
    while (at > 0 && (this.unstarted[at - 1] as Job).transfer === undefined) at--;
    return this.unstarted.length - at;
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
    this.inFlight.remove(job);
    job.place = null;
  }

  // ---- receiving

  /** What is no message of ours ends the worker: nothing else that it says could be believed. */
  receive(message: ToParent | null | undefined): void {
    if (!Array.isArray(message) && message?.k === "flushed") this.#onFlushed?.();        // dead or not
    if (!Array.isArray(message) && message?.k === "unobserved" && typeof message.error?.isError === "boolean") {       // dead or not, too
      (this.#pool.options.onUnobserved ?? reportUnobserved)(unpackError(message.error));
      return;
    }
    if (this.isDead) return;
    this.#pool.lookout.found();
    switch (Array.isArray(message) ? undefined : message?.k) {                        // these are not counted: nobody waits for them
      case "crowded":
        if (this.control === undefined) this.#isCrowded = (message as { isCrowded: boolean }).isCrowded;
        this.#pool.crowded();
        this.#pool.scheduleDispatch();
        return;
      case "prints":
        this.#prints = true;
        this.#isFlushed = false;
        return;
    }
    noteReceived();
    this.#received++;
    if (Array.isArray(message)) {
      if (!this.#answered(message)) this.#garbage();
      return;
    }
    const { shared } = this.#pool;
    switch (message?.k) {
      case "ready":
        if (message.holdsLock === false) this.#lock = undefined;
        if (!this.isReady) this.#ready();
        return;
      case "recalled":
        if (!Array.isArray(message.ids)) break;
        if (this.#recalls > 0) this.#recalls--;
        this.#recalled(message.ids);
        return;
      case "offer":
        if (Array.isArray(message.jobs) && this.#offered(message.definitions, message.jobs, message.transfers)) return;
        break;
      case "abort":
        if (message.generation === 0) this.#pool.abortOffered(this, message.id, message.reason);
        else shared?.relayAbort(message.id, message.generation, message.reason);
        return;
      case "define":
        if (!Array.isArray(message.definitions)) break;
        shared?.define(message.definitions, this.thread);
        return;
      case "results":
        if (!Array.isArray(message.answers)) break;
        if (message.to === 0) shared?.results(message.answers);
        else this.#relay(message.to, message.answers);
        this.#pool.scheduleDispatch();
        return;
      case "wake":
        if (message.thread === 0) shared?.look();
        else this.#pool.tell(message.thread, { k: "wake" });
        return;
      case "closes":
        this.died(closedItself());
        return;
      case "goesOn":
        this.#goesOn = message.goesOn;
        this.setRef(this.#isWanted);
        this.#isFlushed = false;
        return;
      case "flushed":
        return;
    }
    this.#garbage();
  }

  #garbage(): void {
    this.died(new Error("the worker sent something that is no message of this package"));
  }

  #ready(): void {
    this.isReady = true;
    keepOrigin(this.#origin);
    if (this.#startTimer !== undefined) stopTimer(this.#startTimer);
    this.#startTimer = undefined;
    const lock = this.#lock;
    if (lock !== undefined) navigator.locks.request(lock, () => this.died(closedItself())).catch(() => {});
    this.#pool.scheduleDispatch();
  }

  /** False when they make no sense. */
  #answered(answers: unknown[]): boolean {
    const [started] = answers;
    if (typeof started !== "number") return false;
    if (this.control === undefined) this.#dropStarted(started - this.#started);
    else this.refreshStarted();
    for (let at = ANSWERS_START; at < answers.length; ) {
      const status = answers[at] as Status;
      const micros = answers[at + 1] as number;
      const id = answers[at + 2] as number;
      const count = answers[at + 3] as number;
      at += ANSWER_HEADER;
      if (!(status >= 0 && status <= FULFILLED_SHARED && count > 0 && at + count <= answers.length)) return false;
      let measured: SendableFunction | undefined;
      for (let i = 0; i < count; i++) {
        const job = this.inFlight.take(id + i);
        const value = answers[at++];
        if (job === undefined) continue;
        if (this.done++ === 0) this.#pool.worked();
        if (job.sendable !== measured) (measured = job.sendable).heldFor(micros, this.control !== undefined);
        job.settle(status, value);
      }
    }
    this.#pool.scheduleDispatch();
    return true;
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
      job.moves++;
      jobs.push(job);
    }
    this.#pool.requeue(jobs);
    this.#pool.scheduleDispatch();
  }

  /** False when they make no sense. */
  #offered(definitions: Definition[] | undefined, jobs: unknown[], transfers: Map<number, Transferable[]> | undefined): boolean {
    if (definitions !== undefined) for (const definition of definitions) this.#theirs.set(definition.id, byDefinition(definition));
    for (let at = 0; at < jobs.length; ) {
      const id = jobs[at] as number;
      const sendable = this.#theirs.get(jobs[at + 1] as number);
      if (sendable === undefined) return false;
      const arity = jobs[at + 2] as number;
      at += JOB_HEADER - 1;
      const end = at + (arity < 0 ? -arity - 1 : arity);
      this.#pool.offered(this, id, sendable, jobs.slice(at, end), arity, transfers?.get(id));
      at = end;
    }
    return true;
  }

  /** Outcomes that go to another worker. */
  #relay(to: number, answers: unknown[]): void {
    const outbox = new Outbox((passed, transfer) => {
      const results = passed.slice(ANSWERS_START);
      if (!this.#pool.tell(to, { k: "results", answers: results }, transfer)) this.#pool.shared?.free(results);
    }, true);
    eachAnswer(answers, 0, (record, status, generation, value) => outbox.add(record, status, value, generation, transferablesOf(value)));
    outbox.flush(0);
  }

  /** Receives without the event loop. */
  pump(): void {
    if (receiveNow === undefined) return;
    this.#receiveAll();
    if (this.control !== undefined && Atomics.load(this.control, DEAD) !== 0) this.died(new Error("the worker exited"));
  }

  #receiveAll(): void {
    if (!this.isDead) receiveAll<ToParent>(this.#thread.port, (message) => this.receive(message));
  }

  // ---- its output

  get goesOn(): boolean {
    this.#receiveAll();
    return this.#goesOn && !this.isDead;
  }

  mayHavePrinted(): boolean {
    this.#receiveAll();
    return this.#prints && this.isReady && !this.#isFlushed;
  }

  askForOutput(done: () => void): void {
    this.#isFlushed = true;
    this.#onFlushed = done;
    this.#post({ k: "flush" }, []);
  }

  // ---- the end

  /** Goes after `ms` without work. */
  rest(ms: number, retire: () => void): void {
    if (this.#idleTimer !== undefined) return;
    this.#idleTimer = startTimer(() => {
      this.#idleTimer = undefined;
      if (this.inFlight.size === 0 && !this.isDead && !this.#goesOn) retire();
    }, ms);
    unrefTimer(this.#idleTimer);
  }

  #stopIdleTimer(): void {
    if (this.#idleTimer !== undefined) stopTimer(this.#idleTimer);
    this.#idleTimer = undefined;
  }

  died(error: unknown): void {
    this.#onFlushed?.();
    if (this.isDead) return;
    this.isDead = true;
    noteReceived();
    if (this.#startTimer !== undefined) stopTimer(this.#startTimer);
    const isGone = this.control !== undefined && Atomics.load(this.control, DEAD) !== 0;
    if (isGone) buryMember(this.#member);                  // at once: this thread may be parked, and for what the dead one held
    const ending = this.#thread === undefined ? undefined : this.#end().catch(() => {});
    let unstarted: Job[] = [];
    if (this.control !== undefined) {
      this.refreshStarted();
      unstarted = this.unstarted.filter((job) => !job.isOver && job.transfer === undefined);   // what was transferred has died with it
      for (const job of unstarted) this.#returned(job);
    }
    const started = this.inFlight.all();
    this.inFlight.clear();
    this.#pool.linkDied(this, error, started, unstarted, this.#origin);
    if (isGone) this.#pool.linkGone(this);
    else void Promise.resolve(ending).then(() => this.#pool.linkGone(this));
  }

  /** Ends the thread; what it has printed is waited for, unless a job holds it. */
  terminate(due?: number): Promise<void> {
    const isIdle = this.inFlight.size === 0 && (this.#pool.shared?.startedBy(this.thread) ?? 0) === 0;
    const output = isIdle ? outputOf(this, due) : undefined;
    this.isDead = true;
    if (this.#startTimer !== undefined) stopTimer(this.#startTimer);
    this.#stopIdleTimer();
    const end = this.#end(output);
    return due === undefined ? end : atMost(end, due);
  }

  /** Ends the thread, where it is inside no lock, and says that it is dead when it is. */
  async #end(output?: Promise<void>): Promise<void> {
    if (output !== undefined) await output;
    removePrinter(this);
    warnMember(this.#member);
    try {
      await this.#thread.terminate();
      const lock = this.#lock;
      if (lock !== undefined) await navigator.locks.request(lock, () => {}).catch(() => {});       // a page's worker lives on for a moment, and holds it
    } finally {
      buryFamily(this.#member);
    }
  }
}
