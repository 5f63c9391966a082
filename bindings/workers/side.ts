// The worker's side: starts what its parent delivers, and answers.
//
//   incoming  delivered jobs, oldest first. With CLAIM each is claimed before it starts
//   shared    with shared memory: jobs in records, from this worker's queue, the injector or another worker's queue.
//             Small sendables spawned in here go into this worker's queue
//   offers    other sendables spawned in here, which others may get (offers.ts)
//
// `pump` starts one after the other and drives the runtime in between, for a slice at most: then the
// event loop has a turn, so timers and promises in here never freeze. Answers go out in batches.
//
// Jobs of functions that are known to be quick are started in bursts: a look at the clock costs as much as one of them.

import { TokiwaError } from "../errors.ts";
import { PENDING, type Waker } from "../future.ts";
import { builtinModule, macrotask, microtask, monotonicNow, receive, receiveAll, receiveNow, receivesInOrder, startTimer } from "../host.ts";
import { burst, pollFirst } from "../scheduler/burst.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import { divertFailures, reportFailures } from "../task/failures.ts";
import type { Scope } from "../task/scope.ts";
import { callOf, Task, type TaskResult } from "../task/task.ts";
import { compile, explainFreeVariable, scopeLoading } from "./compile.ts";
import { packError, type PackedError, reasonOf } from "./errors-wire.ts";
import { family, nesting } from "./family.ts";
import { Incoming } from "./incoming.ts";
import { MessageLookout } from "./lookout.ts";
import { type Nested, Offers } from "./offers.ts";
import { Outbox } from "./outbox.ts";
import { ownOutput, watchOutput } from "./output.ts";
import { notifyParent } from "./parking.ts";
import { installedThreads, type RuntimeThreads } from "./seam.ts";
import { type Fn, Known } from "./known.ts";
import { startWhenLoaded } from "./late.ts";
import { AWAKE, SharedWork, WOKEN } from "./shared-work.ts";
import { notCloneable, packShared, type SendableFunction, takeArgs, takeMoves, tellWhenOver, unpacking } from "./sendable.ts";
import { CANCELLED, CLAIM, DEAD, type Definition, FULFILLED, FULFILLED_SHARED, isDefinedBy, MAIL, REJECTED, SENT, type StartMessage, type Status, type ToParent, type ToWorker } from "./wire.ts";

/** A pump may hold the event loop so long, in ms. */
const SLICE = 4;
/** Answers wait for more of them at most so long while jobs run, in ms. */
const ANSWER_DELAY = 1;
/** As that, where an answer is a word in shared memory. */
const POST_DELAY = 0.1;
/** A worker that has worked lately, in ms, blocks while it waits for more, so long at a time: then its event loop has a turn. */
const LINGER = 10;
const NAP = 0.5;
/** How often a worker that only has tasks of its own looks whether they have ended, in ms. */
const GOES_ON_LOOK = 20;
/** A function that holds the worker for less, in microseconds, is quick... */
const QUICK_MICROS = 10;
/** ...and so many calls of it are timed together. */
const TIMED_TOGETHER = 8;

function unreadable(): never {
  throw new TokiwaError("TOKIWA_NOT_CLONEABLE", "a message could not be read in the worker: something in it cannot be cloned there");
}

type Outcome = TaskResult<unknown>;
const NOBODY: Waker = { wake() {} };

/** A job whose task has not ended in its first poll; the waker of its task. */
class Running implements Waker {
  readonly side: WorkerSide;
  /** Its number: of its delivery, or of its record when there is a generation. */
  readonly id: number;
  readonly generation: number;
  readonly known: Known;
  readonly startedAt: number;
  task: Task<unknown> | undefined;
  reason: PackedError | undefined;

  constructor(side: WorkerSide, id: number, generation: number, known: Known, startedAt: number) {
    this.side = side;
    this.id = id;
    this.generation = generation;
    this.known = known;
    this.startedAt = startedAt;
  }

  wake(): void {
    this.side.ended(this);
  }
}

export class WorkerSide implements RuntimeThreads {
  readonly #scheduler: CurrentThread;
  readonly #port: MessagePort;
  readonly #isSerial: boolean;
  readonly #sharesJobs: boolean;
  readonly #control: Int32Array | undefined;
  readonly #parentWord: Int32Array | undefined;
  readonly #known = new Map<number, Known>();
  readonly #compiled = new Map<Definition, Fn | Promise<Fn>>();
  readonly #incoming = new Incoming();
  readonly #offers: Offers;
  /** Delivered jobs that were aborted before they started. */
  readonly #aborted = new Map<number, PackedError>();
  readonly #jobs = new Map<number, Running>();
  readonly #shared: SharedWork | undefined;
  #lastWork = 0;
  readonly #outbox: Outbox;
  #running = 0;
  #started = 0;
  #answeredAt = 0;
  #startedTold = 0;
  #isServing = false;
  #isPumping = false;
  #isScheduled = false;
  /** The last look at the clock, and what has started since: `#timed` calls of one function. */
  #now = 0;
  #timed = 0;
  #timedOf: Known | undefined;
  #sliceStart = 0;
  #local: RuntimeThreads | undefined;

  constructor(scheduler: CurrentThread, start: StartMessage) {
    this.#scheduler = scheduler;
    this.#port = start.port;
    this.#isSerial = family.mayNest = start.isSerial;
    this.#sharesJobs = start.sharesJobs;
    this.#control = start.control;
    this.#parentWord = start.parentWord;
    this.#shared = start.share === undefined ? undefined : new SharedWork(start.share, start.thread, scheduler, {
      post: (message, transfer) => this.#post(message, transfer),
      crowded: () => this.#tell({ k: "crowded", isCrowded: true }),
      begin: (record, known, args, lent) => this.#begin(record, this.#shared!.share.generationOf(record), known, args, lent),
      knownOf: (key) => this.#known.get(key),
      compileNested: (sendable) => this.#bodyOf(sendable),
      pump: () => this.#pump(),
    });
    const share = this.#shared?.share;
    this.#offers = new Offers((message, transfer) => {
      this.#post(message, transfer);
      this.#notifyParent();
    }, share === undefined ? undefined : () => share.calls.sleepers());
    for (const definition of start.definitions ?? []) this.#knownOf(definition);
    this.#outbox = new Outbox((message, transfer) => this.#post(message, transfer));
    receive<ToWorker>(start.port, (message) => this.#receive(message), unreadable);
    watchOutput(() => this.#tell({ k: "prints" }));
    const failed = (error: unknown): void => this.#tell({ k: "unobserved", error: packError(error) });
    scheduler.onFailed = failed;
    divertFailures(failed, () => {
      if (this.#hasFailures) return;
      this.#hasFailures = true;
      this.#tell({ k: "prints" });
    });
    builtinModule<{ on(event: string, fn: () => void): void }>("node:process")?.on("exit", () => {
      this.#flush();
      if (this.#control !== undefined) Atomics.store(this.#control, DEAD, 1);
      this.#notifyParent();
    });
  }

  /** From here on it starts jobs. In a page it has waited for the lock by which its death is noticed, if there are locks. */
  ready(holdsLock: boolean): void {
    if (!holdsLock && receiveNow === undefined) this.#announceClose();
    this.#isServing = true;
    this.#shared?.share.begin();
    this.#post({ k: "ready", holdsLock });
    this.#notifyParent();
    this.#pump();
  }

  #post(message: ToParent, transfer: Transferable[] = []): void {
    if (receiveNow === undefined && this.#control !== undefined) {
      Atomics.add(this.#control, SENT, 1);
      this.#notifyParent();
    }
    this.#port.postMessage(message, transfer);
  }

  /** On a page without TLS, or in a frame of no origin, there are no Web Locks to tell of it. */
  #announceClose(): void {
    const { close } = globalThis;
    globalThis.close = () => {
      this.#post({ k: "closes" });
      close.call(globalThis);
    };
  }

  /** Not counted: a parent that is parked need not receive it. */
  #tell(message: ToParent): void {
    this.#port.postMessage(message);
  }

  #notifyParent(): void {
    if (this.#parentWord !== undefined) notifyParent(this.#parentWord);
  }

  // ---- from the parent

  #receive(message: ToWorker): void {
    this.#take(message);
    this.#pump();
  }

  /** Receives what has been sent without a turn of the event loop, where the host can. @returns whether there was something */
  #receiveMail(): boolean {
    if (receiveNow === undefined || !receivesInOrder || this.#hasNoMail()) return false;
    const before = this.#received;
    receiveAll<ToWorker>(this.#port, (message) => this.#take(message), unreadable);
    return this.#received > before;
  }

  #take(message: ToWorker): void {
    this.#received++;
    this.#lookout.found();
    if (Array.isArray(message)) {
      this.#offers.setHungry(message[1] as number);
      this.#incoming.add(message);
    } else this.#heard(message);
  }

  #heard(message: Exclude<ToWorker, unknown[]>): void {
    switch (message.k) {
      case "abort":
        if (message.generation !== 0) this.#shared?.abort(message.id, message.generation, message.reason);
        else this.#abort(message.id, message.reason);
        break;
      case "define":
        for (const definition of message.definitions) this.#knownOf(definition);
        this.#shared?.startUndefined();
        break;
      case "results":
        this.#shared?.results(message.answers);
        break;
      case "gone":
        this.#shared?.gone(message.thread);
        for (const id of this.#known.keys()) if (isDefinedBy(message.thread, id)) this.#known.delete(id);
        break;
      case "wake":
        break;
      case "flush":
        this.#hasFailures = false;
        reportFailures();
        void ownOutput().then(() => this.#post({ k: "flushed" }));
        break;
      case "recall":
        this.#recall(message.count);
        break;
      case "hungry":
        this.#offers.tellHungry(message.count);
        break;
      case "answers":
        this.#offers.answered(message.answers);
        this.#scheduler.drive(Infinity, SLICE);
        break;
    }
  }

  /** With CLAIM the parent has taken them already, and delivers no more until this is answered. */
  #recall(count: number): void {
    const incoming = this.#incoming;
    let dropped: number[];
    if (this.#control === undefined) dropped = incoming.dropLast(Math.min(count, incoming.length));
    else {
      const word = Atomics.load(this.#control, CLAIM);
      dropped = incoming.dropLast(incoming.length - (((word >>> 16) - (word & 0xffff)) & 0xffff));
    }
    for (const id of dropped) this.#aborted.delete(id);
    this.#post({ k: "recalled", ids: this.#control === undefined ? dropped : [] });
    this.#notifyParent();
  }

  #abort(id: number, reason: PackedError): void {
    const job = this.#jobs.get(id);
    if (job === undefined) {
      if (this.#incoming.has(id)) this.#aborted.set(id, reason);
    } else if (job.task === undefined) job.reason = reason;
    else job.task.abort(reasonOf(reason));
  }

  // ---- starting

  readonly #pumpSoon = (): void => {
    this.#isScheduled = false;
    this.#pump();
  };

  #schedulePump(): void {
    if (this.#isScheduled || this.#isPumping) return;
    this.#isScheduled = true;
    microtask(this.#pumpSoon);
  }

  #schedulePumpLater(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    macrotask(this.#pumpSoon);
  }

  #pump(): void {
    if (!this.#isServing) return;
    const scheduler = this.#scheduler;
    if (this.#isPumping || scheduler.isDriving) {
      if (!this.#isPumping) this.#schedulePumpLater();
      return;
    }
    const start = monotonicNow();
    for (;;) {
      this.#work();
      if (this.#isScheduled || !this.#rest(this.#now - start < SLICE)) return;
    }
  }

  /** Starts and drives what there is, for a slice at most. */
  #work(): void {
    const scheduler = this.#scheduler;
    this.#isPumping = true;
    const shared = this.#shared;
    shared?.share.calls.wakeUp();
    this.#sliceStart = this.#now = monotonicNow();
    this.#hasWork = true;
    for (;;) {
      shared?.collect();
      burst(scheduler, this.#startSome);
      this.#readClock();
      if (scheduler.isReady) {
        shared?.share.calls.stopSearching();
        scheduler.drive(Infinity, SLICE);
      } else if (!this.#hasWork) break;
      this.#now = monotonicNow();
      if (this.#now - this.#sliceStart >= SLICE) {
        this.#schedulePumpLater();
        break;
      }
    }
    this.#isPumping = false;
    this.#flush();
  }

  /**
   * Nothing is left to start. A worker that has worked lately blocks for moments, because a wake of a blocked thread is the quickest: not
   * when a task or messages wait for its event loop, nor longer than a slice and a nap without a turn of that, nor twice for nothing.
   *
   * @returns whether it was woken out of such a nap
   */
  #rest(mayBlock: boolean): boolean {
    const shared = this.#shared;
    if (shared === undefined) {
      if (this.#hasStarted) this.#lookout.begin();
      this.#hasStarted = false;
      return false;
    }
    if (mayBlock && this.#receiveMail()) return true;
    const hasTasks = this.#scheduler.hostPending > 0 || this.#scheduler.nextTick !== Infinity;
    const lingers = !hasTasks && !shared.waitsForDefinitions && this.#now - this.#lastWork < LINGER;
    const rested = shared.sleep(hasTasks, lingers, mayBlock && lingers ? NAP : 0, this.#hasStarted, this.#hasNoMail);
    this.#hasStarted = false;
    if (rested === AWAKE) this.#schedulePumpLater();
    return rested === WOKEN;
  }

  /** All messages that were sent have been received: in the turns of the event loop alone. */
  readonly #hasNoMail = (): boolean => Atomics.load(this.#control!, MAIL) === this.#received;
  #received = 0;
  readonly #lookout = new MessageLookout();
  /** The parent knows that some tasks may have failed unobserved. */
  #hasFailures = false;
  #hasWork = false;
  /** Since the last rest. */
  #hasStarted = false;

  /** Starts jobs until there is something else to do: units to drive, the slice is over, or no more jobs. */
  readonly #startSome = (lent: Scope): void => {
    const scheduler = this.#scheduler;
    for (;;) {
      if (this.#timed === 0) {                             // the clock was read
        const delay = this.#now - this.#answeredAt;        // before the next one starts, which may take long: somebody may wait
        if ((!this.#outbox.isEmpty && delay >= ANSWER_DELAY) || (this.#shared?.hasEnded === true && delay >= POST_DELAY)) this.#flush();
      }
      const goesOn = this.#startNested(lent) ?? this.#startIncoming(lent) ?? this.#startShared(lent);
      if (goesOn === undefined) {
        this.#hasWork = false;
        return;
      }
      this.#hasWork = this.#hasStarted = true;
      this.#lastWork = this.#now;
      if (this.#timed === 0 && this.#now - this.#sliceStart >= SLICE) return;
      if (!goesOn || scheduler.isReady) return;
    }
  };

  /** Shares the time since the last look among the calls since then. */
  #readClock(): void {
    const now = monotonicNow();
    const known = this.#timedOf;
    if (known !== undefined && this.#timed > 0) {
      const micros = ((now - this.#now) * 1000) / this.#timed;
      known.micros = known.micros < 0 ? micros : known.micros + (micros - known.micros) * 0.25;
    }
    this.#now = now;
    this.#timed = 0;
  }

  /** Whose calls are timed from here on. */
  #timeCallsOf(known: Known | undefined): void {
    if (this.#timedOf === known) return;
    if (this.#timed > 0) this.#readClock();
    this.#timedOf = known;
  }

  /** Undefined when none may start; false when the burst must end. */
  #startIncoming(lent: Scope): boolean | undefined {
    const incoming = this.#incoming;
    if (incoming.length === 0 || (this.#isSerial && this.#running > 0) || !this.#claim()) return undefined;
    incoming.next();
    this.#started++;
    this.#shared?.share.calls.stopSearching();
    const { id, args } = incoming;
    const known = this.#knownOf(incoming.definition);
    if (this.#aborted.size > 0) {
      const reason = this.#aborted.get(id);
      if (reason !== undefined) {
        this.#aborted.delete(id);
        this.#outbox.add(id, CANCELLED, reason, 0);
        return true;
      }
    }
    return incoming.hasShared ? this.#beginWithShared(id, known, args, lent) : this.#begin(id, 0, known, args, lent);
  }

  #beginWithShared(id: number, known: Known, args: unknown[], lent: Scope): boolean {
    const loading = scopeLoading();
    if (loading === undefined) return this.#begin(id, 0, known, args, lent, true);
    this.#callWhenLoaded(id, 0, known, loading.then(() => known.fn ?? compile(known.definition)), args, true);
    return true;
  }

  /** Compiles the function if need be, and starts it. */
  #begin(id: number, generation: number, known: Known, args: unknown[], lent: Scope, hasShared = false): boolean {
    this.#timeCallsOf(known);
    if (known.micros < 0 || known.micros >= POST_DELAY * 1000) this.#answerFirst();
    let { fn } = known;
    if (fn === undefined) {
      try {
        fn = known.fn = compile(known.definition);
      } catch (error) {
        this.#add(id, generation, REJECTED, packError(error), 0);
        return true;
      }
    }
    if (typeof fn === "function") return this.#call(id, generation, known, fn, args, lent, hasShared);
    this.#callWhenLoaded(id, generation, known, fn, args, hasShared);
    return true;
  }

  /** What comes next may take long, and whoever waits for what has ended is not to wait for that. */
  #answerFirst(): void {
    if (!this.#outbox.isEmpty || this.#shared?.hasEnded === true) this.#flush();
  }

  /** As startIncoming(), a job of a record. */
  #startShared(lent: Scope): boolean | undefined {
    if (this.#shared === undefined || (this.#isSerial && this.#running > 0)) return undefined;
    const goesOn = this.#shared.start(lent);
    if (this.#timed === 0) this.#now = monotonicNow();     // a task of this worker, which nobody times
    return goesOn;
  }

  #knownOf(definition: Definition): Known {
    const last = this.#timedOf;
    if (last?.definition === definition) return last;
    let known = this.#known.get(definition.id);
    if (known === undefined) this.#known.set(definition.id, (known = new Known(definition)));
    return known;
  }

  /** Takes the right to start the next job. What the parent has taken back is dropped. */
  #claim(): boolean {
    const control = this.#control;
    if (control === undefined) return true;
    for (;;) {
      const word = Atomics.load(control, CLAIM);
      const head = word & 0xffff;
      const left = ((word >>> 16) - head) & 0xffff;
      if (left === 0) return false;
      const next = (word & ~0xffff) | ((head + 1) & 0xffff);
      if (Atomics.compareExchange(control, CLAIM, word, next) === word) return true;
    }
  }

  #callWhenLoaded(id: number, generation: number, known: Known, loading: Promise<Fn>, args: unknown[], hasShared: boolean): void {
    const job = new Running(this, id, generation, known, this.#now);
    this.#keep(job);
    this.#scheduler.hostPending++;                         // a nap would keep the loader waiting
    const fail = (status: Status, reason: PackedError): void => {
      this.#forget(job);
      this.#add(id, generation, status, reason, 0);
      this.#schedulePump();
    };
    loading.then(
      (fn) => {
        this.#scheduler.hostPending--;
        known.fn = fn;
        if (job.reason !== undefined) fail(CANCELLED, job.reason);
        else {
          job.task = this.#taskOf(known, fn, args, hasShared);
          job.task.ending(job);
          this.#shared?.share.calls.stopSearching();       // it may run in a drive of the runtime's own
          this.#scheduler.spawn(job.task);
        }
      },
      (error: unknown) => {
        this.#scheduler.hostPending--;
        known.fn = undefined;
        fail(REJECTED, packError(error));
      },
    );
  }

  #taskOf(known: Known, fn: Fn, args: unknown[], hasShared: boolean): Task<unknown> {
    const called = hasShared ? unpacking(fn) : fn;
    const name = known.takesTaskName ? (args.pop() as string) : undefined;
    const task = new Task<unknown>(this.#scheduler, callOf(called, args));
    task.claim(true);                                      // whether it fails is the parent's affair
    return name === undefined ? task : task.prepare(name, undefined);
  }

  /** The first poll of a job. */
  #call(id: number, generation: number, known: Known, fn: Fn, args: unknown[], lent: Scope, hasShared: boolean): boolean {
    const task = this.#taskOf(known, fn, args, hasShared);
    const goesOn = pollFirst(this.#scheduler, task, lent);
    const isQuick = known.micros >= 0 && known.micros < QUICK_MICROS;
    if (++this.#timed >= TIMED_TOGETHER || !isQuick) this.#readClock();
    if (task.isFinished) this.#answer(id, generation, known, task.ending(NOBODY) as Outcome, known.micros);
    else {
      const job = new Running(this, id, generation, known, this.#now);
      job.task = task;
      this.#keep(job);
      task.ending(job);
    }
    return goesOn;
  }

  #keep(job: Running): void {
    this.#running++;
    if (job.generation !== 0) this.#shared!.running.set(job.id, job);
    else this.#jobs.set(job.id, job);
  }

  #forget(job: Running): void {
    this.#running--;
    if (job.generation !== 0) this.#shared!.running.delete(job.id);
    else this.#jobs.delete(job.id);
  }

  /** The task of a job has ended: its waker was called. */
  ended(job: Running): void {
    const outcome = job.task!.ending(job);
    if (outcome === PENDING) return;
    this.#forget(job);
    this.#answer(job.id, job.generation, job.known, outcome, this.#isSerial ? (monotonicNow() - job.startedAt) * 1000 : job.known.micros);
    this.#schedulePump();
  }

  // ---- answers

  #answer(id: number, generation: number, { definition }: Known, outcome: Outcome, micros: number): void {
    if (outcome.status !== "fulfilled") {
      this.#add(id, generation, outcome.status === "cancelled" ? CANCELLED : REJECTED, packError(explainFreeVariable(definition, outcome.reason)), micros);
      return;
    }
    const { value } = outcome;
    const type = typeof value;
    if (type === "function" || type === "symbol") this.#add(id, generation, REJECTED, packError(notCloneable("the result")), micros);
    else if (type !== "object" || value === null) this.#add(id, generation, FULFILLED, value, micros);
    else {
      const transfer = takeMoves(value) ?? [];
      let packed: unknown;
      try {
        packed = packShared(value, transfer);
      } catch (error) {
        this.#add(id, generation, REJECTED, packError(error), micros);
        return;
      }
      this.#add(id, generation, packed === value ? FULFILLED : FULFILLED_SHARED, packed, micros, transfer);
    }
  }

  #add(id: number, generation: number, status: Status, value: unknown, micros: number, transfer?: Transferable[]): void {
    if (generation === 0) this.#outbox.add(id, status, value, micros, transfer);
    else this.#shared!.end(id, status, value, transfer);
  }

  #flush(): void {
    const hasAnswers = !this.#outbox.isEmpty || this.#shared?.hasEnded === true;
    if (hasAnswers && !this.#goesOnTold && this.#running === 0 && this.#scheduler.alive > 0) this.#tellGoesOn();       // before the last answer: with it the parent may end
    if (this.#shared?.flush() === true) {
      this.#answeredAt = monotonicNow();
      this.#notifyParent();
    }
    if (!this.#outbox.isEmpty) this.#flushOutbox();
    else if (this.#started !== this.#startedTold && !this.#tellsStarted) {
      this.#tellsStarted = true;
      macrotask(this.#tellStarted);
    }
  }

  #flushOutbox(): void {
    this.#answeredAt = monotonicNow();
    this.#startedTold = this.#started;
    this.#outbox.flush(this.#started);
    this.#notifyParent();
  }

  #goesOnTold = false;

  /** Tasks are left although no job is. In a moment it will be seen whether they go on by themselves. */
  #tellGoesOn(): void {
    this.#goesOnTold = true;
    this.#post({ k: "goesOn", goesOn: true });
    startTimer(this.#lookWhetherItGoesOn, GOES_ON_LOOK);
  }

  /** What is queued, or has its time, does; what waits for a promise of somebody else's may wait for ever. Not asked in the middle of a drive: what has just been woken may be neither. */
  readonly #lookWhetherItGoesOn = (): void => {
    const scheduler = this.#scheduler;
    const goesOn = this.#running > 0 || (scheduler.alive > 0 && (scheduler.busyElsewhere > 0 || scheduler.nextTick !== Infinity || scheduler.isReady || !this.#offers.isEmpty || this.#shared?.hasSpawned === true));
    if (goesOn) startTimer(this.#lookWhetherItGoesOn, GOES_ON_LOOK);
    else {
      this.#goesOnTold = false;
      this.#post({ k: "goesOn", goesOn: false });
    }
  };

  #tellsStarted = false;
  /** What has started and not ended is told a turn later: most async functions have ended by then. */
  readonly #tellStarted = (): void => {
    this.#tellsStarted = false;
    if (this.#started !== this.#startedTold) this.#flushOutbox();
  };

  // ---- spawned in here

  spawn(task: Task<unknown>, sendable: SendableFunction, args: unknown[]): void {
    if (this.#sharesJobs && this.#shared?.spawn(task, sendable, args) === true) {
      this.#schedulePump();
      return;
    }
    const taken = takeArgs(args);
    tellWhenOver(task, taken);
    this.#scheduler.admit(task);
    if (!this.#sharesJobs) {
      this.#startHere({ task, sendable, taken });
      return;
    }
    this.#offers.push({ task, sendable, taken });
    this.#schedulePump();
  }

  /** Undefined when there is none; false when the burst must end, so that it is driven. */
  #startNested(_lent: Scope): boolean | undefined {
    const nested = this.#offers.pop();
    if (nested === undefined) return undefined;
    this.#timeCallsOf(undefined);
    if (nested.task.isFinished) return true;
    this.#shared?.share.calls.stopSearching();
    this.#startHere(nested);
    return false;
  }

  #startHere({ task, sendable, taken }: Nested): void {
    startWhenLoaded(this.#scheduler, task, this.#bodyOf(sendable), taken.args, taken.hasShared);
  }

  #bodyOf(sendable: SendableFunction): Fn | Promise<Fn> {
    if (sendable.fn !== undefined) return sendable.fn;
    const { definition } = sendable;
    let fn = this.#compiled.get(definition);
    if (fn === undefined) {
      try {
        fn = compile(definition);
      } catch (error) {
        return () => {
          throw error;
        };
      }
      this.#compiled.set(definition, fn);
      if (typeof fn !== "function") fn.then((loaded) => this.#compiled.set(definition, loaded), () => this.#compiled.delete(definition));
    }
    return fn;
  }

  // ---- threads of the runtime in here

  #threads(): RuntimeThreads {
    const provider = installedThreads();
    if (provider === undefined) throw new TokiwaError("TOKIWA_NO_THREADS", "this worker has no threads of its own");
    this.#local ??= provider.open(this.#scheduler, false, {});
    return this.#local;
  }

  spawnBlocking(task: Task<unknown>, fn: unknown, args: unknown[]): void {
    this.#threads().spawnBlocking(task, fn, args);
  }

  /** Others get what waits here. */
  blockInPlace<T>(fn: () => T): T {
    if (!this.#sharesJobs) return this.#threads().blockInPlace(fn);
    this.#shared?.share.calls.stopSearching();
    this.#offers.offerAll();
    this.#flush();
    this.#tellStarted();
    return nesting(true, fn);
  }

  metrics(): ReturnType<RuntimeThreads["metrics"]> {
    return this.#local?.metrics() ?? { workers: [], blocking: [] };
  }

  close(): Promise<void> {
    return this.#local?.close() ?? Promise.resolve();
  }
}
