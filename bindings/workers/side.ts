// The worker's side: starts what its parent delivers, and answers.
//
//   incoming  delivered jobs, oldest first. With CLAIM each is claimed before it starts
//   nested    sendables spawned in here, newest first: a tree of them is walked depth first, and needs
//             no more memory than its depth. The oldest, which is the biggest, is offered when others are hungry
//
// `pump` starts one after the other and drives the runtime in between, for a slice at most: then the
// event loop has a turn, so timers and promises in here never freeze. Answers go out in batches.

import { TokiwaError } from "../errors.ts";
import { PENDING, type TaskFn, type Waker } from "../future.ts";
import { builtinModule, macrotask, microtask, monotonicNow } from "../host.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import { callOf, type RemoteBody, Task } from "../task/task.ts";
import { compile, explainFreeVariable } from "./compile.ts";
import { packError, type PackedError, unpackError } from "./errors-wire.ts";
import { installedThreads, type RuntimeThreads } from "./seam.ts";
import { notCloneable, packShared, type SendableFunction, takeArgs, type TakenArgs, takeMoves, unpackShared } from "./sendable.ts";
import { CANCELLED, CLAIM, DEAD, type Definition, FULFILLED, FULFILLED_SHARED, HUNGRY, REJECTED, type StartMessage, type Status, type ToParent, type ToWorker } from "./wire.ts";

/** A pump may hold the event loop so long, in ms. */
const SLICE = 4;
/** Answers wait for more of them at most so long while jobs run, in ms. */
const ANSWER_DELAY = 1;
/** Others are given the time to react before more is offered to them, in ms. */
const OFFER_INTERVAL = 0.1;

type Fn = TaskFn<unknown[], unknown>;

/** A delivered job; the waker of its task. */
class Incoming implements Waker {
  readonly side: WorkerSide;
  readonly id: number;
  readonly definition: Definition;
  args: unknown[];
  task: Task<unknown> | undefined;
  reason: PackedError | undefined;
  startedAt = 0;
  micros = 0;

  constructor(side: WorkerSide, id: number, definition: Definition, args: unknown[]) {
    this.side = side;
    this.id = id;
    this.definition = definition;
    this.args = args;
  }

  wake(): void {
    this.side.ended(this);
  }
}

/** A sendable spawned in this worker: local until it is offered to the others. */
interface Nested {
  readonly task: Task<unknown>;
  readonly sendable: SendableFunction;
  readonly taken: TakenArgs;
}

export class WorkerSide implements RuntimeThreads {
  readonly #scheduler: CurrentThread;
  readonly #port: MessagePort;
  readonly #isSerial: boolean;
  readonly #sharesJobs: boolean;
  readonly #control: Int32Array | undefined;
  readonly #parentWord: Int32Array | undefined;
  #definitions = new Map<number, Definition>();
  readonly #compiled = new Map<Definition, Fn | Promise<Fn>>();
  #incoming: Incoming[] = [];
  #head = 0;
  readonly #nested: Nested[] = [];
  readonly #jobs = new Map<number, Incoming>();
  readonly #offered = new Map<number, Task<unknown>>();
  readonly #known = new Set<number>();
  #running = 0;
  #started = 0;
  #answers: unknown[] = [];
  #transfer: Transferable[] = [];
  #answeredAt = 0;
  #startedTold = 0;
  #hungry = 0;
  #offeredAt = 0;
  #isPumping = false;
  #isScheduled = false;
  #local: RuntimeThreads | undefined;

  constructor(scheduler: CurrentThread, start: StartMessage) {
    this.#scheduler = scheduler;
    this.#port = start.port;
    this.#isSerial = start.isSerial;
    this.#sharesJobs = start.sharesJobs;
    this.#control = start.control;
    this.#parentWord = start.parentWord;
    start.port.onmessage = (event: MessageEvent<ToWorker>) => this.#receive(event.data);
    builtinModule<{ on(event: string, fn: () => void): void }>("node:process")?.on("exit", () => {
      this.#flush();
      if (this.#control !== undefined) Atomics.store(this.#control, DEAD, 1);
      this.#notifyParent();
    });
  }

  ready(): void {
    this.#post({ k: "ready" });
    this.#notifyParent();
  }

  #post(message: ToParent, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #notifyParent(): void {
    if (this.#parentWord === undefined) return;
    Atomics.add(this.#parentWord, 0, 1);
    Atomics.notify(this.#parentWord, 0);
  }

  // ---- from the parent

  #receive(message: ToWorker): void {
    switch (message.k) {
      case "jobs":
        this.#delivered(message.definitions, message.jobs);
        break;
      case "abort":
        this.#abort(message.id, message.reason);
        break;
      case "recall":
        this.#recall(message.count);
        break;
      case "hungry":
        this.#hungry = message.count;
        break;
      case "answers":
        this.#offersAnswered(message.answers);
        break;
    }
    this.#pump();
  }

  #delivered(definitions: Definition[] | undefined, jobs: unknown[]): void {
    if (definitions !== undefined) for (const definition of definitions) this.#definitions.set(definition.id, definition);
    for (let i = 0; i < jobs.length; ) {
      const definition = this.#definitions.get(jobs[i + 1] as number) as Definition;
      const count = jobs[i + 2] as number;
      const size = count < 0 ? -count - 1 : count;
      const args = size === 0 ? [] : jobs.slice(i + 3, i + 3 + size);
      if (count < 0) unpackShared(args);
      const job = new Incoming(this, jobs[i] as number, definition, args);
      i += 3 + size;
      this.#jobs.set(job.id, job);
      this.#incoming.push(job);
    }
  }

  #dropLast(count: number): Incoming[] {
    const dropped = this.#incoming.splice(Math.max(this.#head, this.#incoming.length - count));
    for (const job of dropped) this.#jobs.delete(job.id);
    return dropped;
  }

  /** With CLAIM the parent has taken them already, and delivers no more until this is answered. */
  #recall(count: number): void {
    const queued = this.#incoming.length - this.#head;
    if (this.#control !== undefined) {
      const word = Atomics.load(this.#control, CLAIM);
      this.#dropLast(queued - (((word >>> 16) - (word & 0xffff)) & 0xffff));
      this.#post({ k: "recalled", ids: [] });
      this.#notifyParent();
      return;
    }
    this.#post({ k: "recalled", ids: this.#dropLast(Math.min(count, queued)).map((job) => job.id) });
  }

  #abort(id: number, reason: PackedError): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    if (job.task === undefined) job.reason = reason;
    else job.task.abort(unpackError(reason));
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

  #pump(): void {
    if (this.#isPumping || this.#scheduler.isDriving) {
      if (!this.#isPumping) this.#schedulePumpLater();
      return;
    }
    this.#isPumping = true;
    const start = monotonicNow();
    let now = start;
    for (;;) {
      if (now - start >= SLICE) {
        this.#schedulePumpLater();
        break;
      }
      if (!this.#startNested() && !this.#startIncoming(now)) break;
      now = monotonicNow();
      if (this.#answers.length > 0 && now - this.#answeredAt >= ANSWER_DELAY) this.#flush();
    }
    this.#isPumping = false;
    this.#flush();
  }

  #schedulePumpLater(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    macrotask(this.#pumpSoon);
  }

  #startIncoming(now: number): boolean {
    if (this.#isSerial && this.#running > 0) return false;
    if (this.#head === this.#incoming.length) {
      if (this.#head > 0) {
        this.#incoming = [];
        this.#head = 0;
      }
      return false;
    }
    if (!this.#claim()) return false;
    const job = this.#incoming[this.#head] as Incoming;
    this.#incoming[this.#head++] = undefined as unknown as Incoming;
    this.#started++;
    job.startedAt = now;
    if (job.reason !== undefined) {
      this.#answer(job, CANCELLED, job.reason);
      return true;
    }
    let fn: Fn | Promise<Fn> | undefined = this.#compiled.get(job.definition);
    if (fn === undefined) {
      try {
        fn = compile(job.definition);
      } catch (error) {
        this.#answer(job, REJECTED, packError(error));
        return true;
      }
      this.#compiled.set(job.definition, fn);
    }
    this.#running++;
    if (typeof fn === "function") this.#begin(job, fn);
    else this.#beginWhenLoaded(job, fn);
    return true;
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

  #beginWhenLoaded(job: Incoming, loading: Promise<Fn>): void {
    loading.then(
      (fn) => {
        this.#compiled.set(job.definition, fn);
        this.#begin(job, fn);
        this.#schedulePump();
      },
      (error: unknown) => {
        this.#compiled.delete(job.definition);
        this.#running--;
        this.#answer(job, REJECTED, packError(error));
        this.#schedulePump();
      },
    );
  }

  #begin(job: Incoming, fn: Fn): void {
    const scheduler = this.#scheduler;
    const task = new Task<unknown>(scheduler, callOf(fn, job.args));
    job.args = [];
    job.task = task;
    if (job.reason !== undefined) task.abort(unpackError(job.reason));
    task.ending(job);
    scheduler.spawn(task);
    scheduler.drive(Infinity, SLICE);
    if (!this.#isSerial) job.micros = (monotonicNow() - job.startedAt) * 1000;
  }

  /** The task of a job has ended: its waker was called. */
  ended(job: Incoming): void {
    const outcome = job.task!.ending(job);
    if (outcome === PENDING) return;
    this.#running--;
    if (this.#isSerial || job.micros === 0) job.micros = (monotonicNow() - job.startedAt) * 1000;
    if (outcome.status === "fulfilled") this.#answerValue(job, outcome.value);
    else this.#answer(job, outcome.status === "cancelled" ? CANCELLED : REJECTED, packError(explainFreeVariable(job.definition, outcome.reason)));
    this.#schedulePump();
  }

  // ---- answers

  #answerValue(job: Incoming, value: unknown): void {
    const type = typeof value;
    if (type === "function" || type === "symbol") {
      this.#answer(job, REJECTED, packError(notCloneable("the result")));
      return;
    }
    if (type !== "object" || value === null) {
      this.#answer(job, FULFILLED, value);
      return;
    }
    const moved = takeMoves(value);
    const packed = packShared(value, this.#transfer);
    if (moved !== undefined) this.#transfer.push(...moved);
    this.#answer(job, packed === value ? FULFILLED : FULFILLED_SHARED, packed);
  }

  #answer(job: Incoming, status: Status, value: unknown): void {
    this.#jobs.delete(job.id);
    this.#answers.push(job.id, status, value, job.micros);
  }

  #flush(): void {
    const answers = this.#answers;
    if (answers.length === 0 && (this.#control !== undefined || this.#started === this.#startedTold)) return;
    const transfer = this.#transfer;
    this.#answers = [];
    if (transfer.length > 0) this.#transfer = [];
    this.#answeredAt = monotonicNow();
    this.#startedTold = this.#started;
    try {
      this.#post({ k: "answers", answers, started: this.#started }, transfer);
    } catch {
      this.#flushOneByOne(answers, transfer);
    }
    this.#notifyParent();
  }

  /** One of the results cannot be cloned: it fails its own task only. */
  #flushOneByOne(answers: unknown[], transfer: Transferable[]): void {
    for (let i = 0; i < answers.length; i += 4) {
      const answer = answers.slice(i, i + 4);
      try {
        this.#post({ k: "answers", answers: answer, started: this.#started }, i + 4 === answers.length || answers.length === 4 ? transfer : []);
      } catch (error) {
        answer[1] = REJECTED;
        answer[2] = packError(notCloneable("the result", error));
        this.#post({ k: "answers", answers: answer, started: this.#started });
      }
    }
  }

  // ---- spawned in here

  spawn(task: Task<unknown>, sendable: SendableFunction, args: unknown[]): void {
    const taken = takeArgs(args);
    const nested: Nested = { task, sendable, taken };
    this.#scheduler.admit(task);
    if (!this.#sharesJobs) {
      this.#startHere(nested);
      return;
    }
    this.#nested.push(nested);
    if (this.#hungryNow() > 0) this.#offer(this.#hungryNow());
    this.#schedulePump();
  }

  #hungryNow(): number {
    return this.#control === undefined ? this.#hungry : (this.#control[HUNGRY] as number);
  }

  #startNested(): boolean {
    const hungry = this.#nested.length > 0 ? this.#hungryNow() : 0;
    if (hungry > 0) this.#offer(hungry);
    const nested = this.#nested.pop();
    if (nested === undefined) return false;
    if (nested.task.isFinished) return true;
    this.#startHere(nested);
    this.#scheduler.drive(Infinity, SLICE);
    return true;
  }

  #startHere({ task, sendable, taken }: Nested): void {
    if (taken.hasShared) unpackShared(taken.args);
    task.body = callOf(this.#bodyOf(sendable), taken.args);
    this.#scheduler.wake(task.handle);
  }

  #bodyOf(sendable: SendableFunction): Fn {
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
    }
    if (typeof fn === "function") return fn;
    const loading = fn;
    void loading.then((loaded) => this.#compiled.set(definition, loaded), () => this.#compiled.delete(definition));
    return async (...args: unknown[]) => (await loading)(...args);
  }

  /** Gives the oldest to others: as many as have nothing to do, and never the last one. */
  #offer(hungry: number): void {
    const now = monotonicNow();
    if (this.#nested.length < 2 || now - this.#offeredAt < OFFER_INTERVAL) return;
    this.#offeredAt = now;
    const given = this.#nested.splice(0, Math.min(hungry, this.#nested.length >> 1)).filter(({ task }) => !task.isFinished);
    if (given.length === 0) return;
    const jobs: unknown[] = [];
    let definitions: Definition[] | undefined;
    const transfer: Transferable[] = [];
    for (const { task, sendable, taken } of given) {
      const { definition } = sendable;
      if (!this.#known.has(definition.id)) {
        this.#known.add(definition.id);
        (definitions ??= []).push(definition);
      }
      this.#offered.set(task.id, task);
      task.ofRemote(new Offered(task.id, (message) => this.#post(message), () => this.#offered.delete(task.id)));
      jobs.push(task.id, definition.id, taken.hasShared ? -taken.args.length - 1 : taken.args.length, ...taken.args);
      if (taken.transfer !== undefined) transfer.push(...taken.transfer);
    }
    this.#post({ k: "offer", definitions, jobs }, transfer);
    this.#notifyParent();
  }

  #offersAnswered(answers: unknown[]): void {
    for (let i = 0; i < answers.length; i += 3) {
      const id = answers[i] as number;
      const task = this.#offered.get(id);
      if (task === undefined) continue;
      this.#offered.delete(id);
      const status = answers[i + 1] as Status;
      const value = answers[i + 2];
      if (status === FULFILLED) task.remoteSettled("fulfilled", value);
      else if (status === FULFILLED_SHARED) task.remoteSettled("fulfilled", unpackShared(value));
      else task.remoteSettled(status === CANCELLED ? "cancelled" : "rejected", unpackError(value as PackedError));
    }
    this.#scheduler.drive(Infinity, SLICE);
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

  /** Whoever has nothing to do gets what waits here: this thread will not look for a while. */
  blockInPlace<T>(fn: () => T): T {
    if (!this.#sharesJobs) return this.#threads().blockInPlace(fn);
    this.#offeredAt = 0;
    if (this.#hungryNow() > 0) this.#offer(this.#nested.length);
    this.#flush();
    return fn();
  }

  metrics(): ReturnType<RuntimeThreads["metrics"]> {
    return this.#local?.metrics() ?? { workers: [], blocking: [] };
  }

  close(): Promise<void> {
    return this.#local?.close() ?? Promise.resolve();
  }
}

/** The handle's end of a job that was offered to the other workers. */
class Offered implements RemoteBody {
  readonly #id: number;
  readonly #post: (message: ToParent) => void;
  readonly abandon: () => void;

  constructor(id: number, post: (message: ToParent) => void, abandon: () => void) {
    this.#id = id;
    this.#post = post;
    this.abandon = abandon;
  }

  abort(reason: Error): boolean {
    this.#post({ k: "abort", id: this.#id, reason: packError(reason) });
    return false;
  }

  describe(): string {
    return "another worker";
  }
}
