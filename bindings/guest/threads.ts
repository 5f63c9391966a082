// tk_thread_*, tk_spawn_blocking and tk_job_*: functions of a guest on other threads, each with an instance of the module
// and a memory of its own. This is the side that starts them; serve.ts is the other.
//
//   thread   WAITING (for a ticket) -> RUNNING -> gone: terminated, detached and done, or the guest was detached
//   job      PENDING -> READY | an error -> forgotten, by tk_job_take() or tk_job_drop()
//
// A guest's calls never throw and never wait: what goes wrong later is the outcome of a job.

import { JoinError, TokiwaError } from "../errors.ts";
import { reportDeath } from "../host.ts";
import type { JoinHandle } from "../task/task.ts";
import { Thread } from "../threads/thread.ts";
import { move, send } from "../workers/sendable.ts";
import { TK_EBUSY, TK_ECANCELED, TK_ECLOSED, TK_EDIED, TK_EINVAL, TK_ELIMIT, TK_ENOMEM, TK_ENOSYS, TK_EREJECTED, TK_ESTALE, TK_ESTART, TK_ETRAP, TK_PENDING, TK_READY } from "./codes.ts";
import type { GuestThreads, ThreadHost, ThreadSetup } from "./seam.ts";
import { RUN_JOB, START_GUEST, type JobOutcome, type JobRequest, type StartRequest } from "./serve-wire.ts";
import { openDesk, type TicketDesk } from "./tickets.ts";

/** Work of tk_spawn_blocking() may spawn such work itself; that may not. */
const MAX_BLOCKING_DEPTH = 2;

const startGuest = send<(request: StartRequest) => void>(START_GUEST);
const runJob = send<(...request: JobRequest) => JobOutcome>(RUN_JOB);

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NOTHING = new Uint8Array(0);

const ERROR_CODES: Record<string, number> = {
  TOKIWA_GUEST_TRAP: TK_ETRAP,
  TOKIWA_OUT_OF_MEMORY: TK_ENOMEM,
  TOKIWA_CANCELLED: TK_ECANCELED,
  TOKIWA_TERMINATED: TK_ECANCELED,
  TOKIWA_SHUT_DOWN: TK_ECANCELED,
  TOKIWA_WORKER_DIED: TK_EDIED,
  TOKIWA_GUEST_GONE: TK_EDIED,
  TOKIWA_GUEST_START: TK_ESTART,
  TOKIWA_TOO_MANY_THREADS: TK_ELIMIT,
};

function codeOf(error: unknown): number {
  return (error instanceof TokiwaError ? ERROR_CODES[error.code] : undefined) ?? TK_EREJECTED;
}

class GuestThread {
  readonly id: number;
  /** Of this instance of the guest, among all instances in that worker. */
  readonly key: string;
  thread: Thread | undefined;
  desk: TicketDesk | undefined;
  /** While a ticket is asked for: what is to be done then. */
  waiting: (() => void)[] | undefined;
  /** Why no job can run here. */
  failure: TokiwaError | undefined;
  pending = 0;
  isDetached = false;

  constructor(id: number, key: string) {
    this.id = id;
    this.key = key;
  }
}

interface Job {
  state: number;
  result: number;
  bytes: Uint8Array;
  waiters: number[];
  handle: JoinHandle<unknown> | undefined;
  isAborted: boolean;
  readonly thread: GuestThread | undefined;
}

let lastKey = 0;

/** A name that no other guest of any thread has. */
function newKey(): string {
  return `${++lastKey}-${Math.random()}`;
}

export class Threads {
  readonly #host: ThreadHost;
  readonly #threads = new Map<number, GuestThread>();
  readonly #jobs = new Map<number, Job>();
  readonly #key = newKey();
  #lastThread = 0;
  #lastJob = 0;
  #hasExplained = false;

  constructor(host: ThreadHost) {
    this.#host = host;
  }

  /** The functions that the guest imports. */
  calls(): GuestThreads {
    const host = this.#host;
    const open = (fn: (...args: number[]) => number) => (...args: number[]) => (host.isClosed ? TK_ECLOSED : fn(...args));
    return {
      tk_thread_new: open(() => this.#start()),
      tk_thread_exec: open((thread, fn, at, length) => this.#exec(thread!, "call", fn!, at!, length!)),
      tk_thread_exec_poll: open((thread, fn, at, length) => this.#exec(thread!, "poll", fn!, at!, length!)),
      tk_thread_exec_js: open((thread, at, length, mayAwait) => this.#execJs(thread!, at!, length!, mayAwait !== 0)),
      tk_thread_terminate: open((id) => this.#terminate(id!)),
      tk_thread_detach: open((id) => this.#detach(id!)),
      tk_spawn_blocking: open((fn, at, length) => this.#spawnBlocking(fn!, at!, length!)),
      tk_job_start: open((id, waiter) => this.#look(id!, waiter!)),
      tk_job_result: (id) => this.#jobs.get(id!)?.result ?? 0,
      tk_job_length: (id) => this.#jobs.get(id!)?.bytes.length ?? 0,
      tk_job_take: open((id, into, capacity) => this.#take(id!, into! >>> 0, capacity! >>> 0)),
      tk_job_abort: open((id) => this.#abort(id!)),
      tk_job_drop: (id) => (this.#jobs.delete(id!) ? TK_READY : TK_ESTALE),
      close: () => this.#close(),
    };
  }

  // ---- threads

  #start(): number {
    const host = this.#host;
    const threadSetup = this.#setup();
    if (threadSetup === undefined) return TK_ENOSYS;
    const granted = threadSetup.tickets.take();
    if (granted === false) {
      this.#explain(tooMany(host.label).message);
      return TK_ELIMIT;
    }
    const entry = new GuestThread(++this.#lastThread, newKey());
    this.#threads.set(entry.id, entry);
    if (granted === true) this.#begin(entry);
    else {
      entry.waiting = [];
      void granted.then((isGranted) => {
        const waiting = entry.waiting ?? [];
        entry.waiting = undefined;
        if (!isGranted) entry.failure = tooMany(host.label);
        else if (this.#threads.get(entry.id) === entry) this.#begin(entry);
        else threadSetup.tickets.give(1);                  // terminated meanwhile
        for (const fn of waiting) fn();
        if (!isGranted) this.#forget(entry);
      });
    }
    return entry.id;
  }

  /** How threads are started, or undefined: then why not was explained. */
  #setup(): ThreadSetup | undefined {
    const { threadSetup, label } = this.#host;
    const problem = threadSetup === undefined ? `${label} is not attached yet` : this.#missing();
    if (problem === undefined) return threadSetup;
    this.#explain(problem);
    return undefined;
  }

  /** Why there can be no second instance, or undefined. */
  #missing(): string | undefined {
    const { threadSetup, access, label } = this.#host;
    if (threadSetup?.source.module === undefined && threadSetup?.source.script === undefined) {
      return `${label} cannot have threads: how to instantiate it again is not known. Attach it by bytes, a WebAssembly.Module or an Emscripten factory, or give attach() threads: { module } or threads: { script }.`;
    }
    if (access.allocate === undefined) return `${label} cannot have threads: it exports no tk_alloc. Include tokiwa-threads.h, without TK_NO_STACKS.`;
    return undefined;
  }

  #explain(text: string): void {
    if (this.#hasExplained) return;
    this.#hasExplained = true;
    reportDeath(`tokiwa: ${text}`);
  }

  #begin(entry: GuestThread): void {
    const { runtime, threadSetup, name } = this.#host;
    if (threadSetup === undefined) return;
    const { worker, transport } = threadSetup;
    const desk = openDesk(threadSetup.tickets);
    entry.desk = desk;
    try {
      entry.thread = runtime.enter(() => new Thread({ name: `${name}-${entry.id}`, ...(worker === undefined ? {} : { worker }), ...(transport === undefined ? {} : { transport }) }));
    } catch (error) {
      entry.failure = new TokiwaError("TOKIWA_GUEST_START", `no thread could be started: ${(error as Error).message}`, { cause: error });
      return;
    }
    const { thread } = entry;
    const request = move(this.#startRequest(entry.key, desk.port, threadSetup.blockingDepth), [desk.port]);
    let started: JoinHandle<unknown>;
    try {
      started = runtime.enter(() => thread.exec(startGuest, request));
    } catch (error) {
      entry.failure = new TokiwaError("TOKIWA_GUEST_START", `${this.#host.label} could not be sent to a thread: ${(error as Error).message}`, { cause: error });
      return;
    }
    void started.result().then((outcome) => {
      if (outcome.status === "rejected" && !thread.isTerminated) this.#explain(`thread ${entry.id}: ${String((outcome.reason as Error | null)?.message)}`);
    });
  }

  #startRequest(key: string, tickets: MessagePort | number, blockingDepth: number): StartRequest {
    const { threadSetup, name, stackBytes, maxStacks } = this.#host;
    const { source } = threadSetup as NonNullable<typeof threadSetup>;
    const module = source.module === undefined || source.module instanceof WebAssembly.Module ? source.module : this.#compile(source.module);
    return { key, name, module, script: source.script, imports: source.imports, tickets, blockingDepth, stackBytes, maxStacks, transport: threadSetup?.transport };
  }

  #module: WebAssembly.Module | undefined;

  /** On this thread at once: in pages larger ones must be given as modules, so those travel as bytes and are compiled there. */
  #compile(bytes: BufferSource): WebAssembly.Module | BufferSource {
    try {
      this.#module ??= new WebAssembly.Module(bytes);
    } catch {
      return bytes;
    }
    return this.#module;
  }

  #find(id: number): GuestThread | undefined {
    const entry = this.#threads.get(id);
    return entry?.isDetached === true ? undefined : entry;
  }

  #terminate(id: number): number {
    const entry = this.#threads.get(id);
    if (entry === undefined) return 0;
    this.#forget(entry);
    return 1;
  }

  #detach(id: number): number {
    const entry = this.#find(id);
    if (entry === undefined) return TK_ESTALE;
    entry.isDetached = true;
    if (entry.pending === 0) this.#forget(entry);
    return TK_READY;
  }

  #forget(entry: GuestThread): void {
    if (!this.#threads.delete(entry.id)) return;
    entry.failure ??= new JoinError("TOKIWA_CANCELLED", `the job was cancelled: thread ${entry.id} of ${this.#host.label} was terminated`);
    entry.thread?.terminate();
    entry.desk?.close();
    for (const fn of entry.waiting?.splice(0) ?? []) fn();
  }

  // ---- jobs

  /** A copy of some of the guest's memory; undefined when that is not all inside. */
  #bytes(at: number, length: number): Uint8Array<ArrayBuffer> | undefined {
    const { memory } = this.#host.access;
    const start = at >>> 0;
    const count = length >>> 0;
    if (memory === undefined || start + count > memory.buffer.byteLength) return undefined;
    return new Uint8Array(memory.buffer, start, count).slice() as Uint8Array<ArrayBuffer>;
  }

  #isFunction(fn: number): boolean {
    const { table } = this.#host.access;
    return fn >>> 0 > 0 && fn >>> 0 < table.length && table.get(fn >>> 0) !== null;
  }

  #exec(id: number, kind: "call" | "poll", fn: number, at: number, length: number): number {
    const entry = this.#find(id);
    if (entry === undefined) return TK_ESTALE;
    const bytes = this.#isFunction(fn) ? this.#bytes(at, length) : undefined;
    if (bytes === undefined) return TK_EINVAL;
    const moved = bytes.length === 0 ? undefined : move(bytes);
    return this.#submit(entry, (thread) => thread.exec(runJob, entry.key, kind, fn >>> 0, moved, undefined), takeOutcome);
  }

  #execJs(id: number, at: number, length: number, mayAwait: boolean): number {
    const entry = this.#find(id);
    if (entry === undefined) return TK_ESTALE;
    const bytes = this.#bytes(at, length);
    if (bytes === undefined) return TK_EINVAL;
    const source = decoder.decode(bytes);
    return this.#submit(entry, (thread) => (mayAwait ? thread.execJsAsync(source) : thread.execJs(source)), takeValue);
  }

  #submit(entry: GuestThread, exec: (thread: Thread) => JoinHandle<unknown>, take: TakeValue): number {
    const job = this.#newJob(entry);
    entry.pending++;
    const run = (): void => {
      const { thread, failure } = entry;
      if (failure !== undefined || thread === undefined || job.isAborted) this.#fail(job, failure ?? aborted());
      else this.#watch(job, () => exec(thread), take);
    };
    if (entry.waiting === undefined) run();
    else entry.waiting.push(run);
    return this.#lastJob;
  }

  #newJob(thread: GuestThread | undefined): Job {
    const job: Job = { state: TK_PENDING, result: 0, bytes: NOTHING, waiters: [], handle: undefined, isAborted: false, thread };
    this.#lastJob = (this.#lastJob % 0x3fffffff) + 1;
    this.#jobs.set(this.#lastJob, job);
    return job;
  }

  #watch(job: Job, exec: () => JoinHandle<unknown>, take: TakeValue): void {
    let handle: JoinHandle<unknown>;
    try {
      handle = this.#host.runtime.enter(exec);
    } catch (error) {
      this.#fail(job, error);
      return;
    }
    job.handle = handle;
    void handle.result().then((outcome) => {
      if (outcome.status !== "fulfilled") this.#fail(job, outcome.reason);
      else {
        take(job, outcome.value);
        this.#settle(job, TK_READY);
      }
    });
  }

  #spawnBlocking(fn: number, at: number, length: number): number {
    const host = this.#host;
    const threadSetup = this.#setup();
    if (threadSetup === undefined) return TK_ENOSYS;
    if (threadSetup.blockingDepth >= MAX_BLOCKING_DEPTH) return TK_ELIMIT;
    const bytes = this.#isFunction(fn) ? this.#bytes(at, length) : undefined;
    if (bytes === undefined) return TK_EINVAL;
    // Whichever thread gets it may not have the module yet, so it always goes along.
    const start = this.#startRequest(this.#key, 0, threadSetup.blockingDepth + 1);
    const job = this.#newJob(undefined);
    this.#watch(job, () => host.runtime.spawnBlocking(runJob, this.#key, "call", fn >>> 0, bytes.length === 0 ? undefined : bytes, start), takeOutcome);
    return this.#lastJob;
  }

  #fail(job: Job, error: unknown): void {
    job.bytes = encoder.encode(error instanceof Error ? error.message : String(error));
    this.#settle(job, codeOf(error));
  }

  #settle(job: Job, state: number): void {
    if (job.state !== TK_PENDING) return;
    job.state = state;
    job.handle = undefined;
    const { thread } = job;
    if (thread !== undefined && --thread.pending === 0 && thread.isDetached) this.#forget(thread);
    if (this.#host.isClosed) return;
    for (const task of job.waiters.splice(0)) this.#host.wake(task);
  }

  #look(id: number, waiter: number): number {
    const job = this.#jobs.get(id);
    if (job === undefined) return TK_ESTALE;
    const task = waiter < 0 ? ~waiter : waiter;
    if (job.state === TK_PENDING && !job.waiters.includes(task)) job.waiters.push(task);
    return job.state;
  }

  #take(id: number, into: number, capacity: number): number {
    const job = this.#jobs.get(id);
    if (job === undefined) return TK_ESTALE;
    if (job.state === TK_PENDING) return TK_EBUSY;
    const { bytes } = job;
    const { memory } = this.#host.access;
    if (bytes.length > capacity || memory === undefined || into + bytes.length > memory.buffer.byteLength) return TK_EINVAL;
    new Uint8Array(memory.buffer, into, bytes.length).set(bytes);
    this.#jobs.delete(id);
    return bytes.length;
  }

  #abort(id: number): number {
    const job = this.#jobs.get(id);
    if (job === undefined || job.state !== TK_PENDING) return TK_ESTALE;
    job.isAborted = true;
    job.handle?.abort();
    return 1;
  }

  #close(): void {
    for (const entry of [...this.#threads.values()]) this.#forget(entry);
    for (const job of this.#jobs.values()) job.handle?.abort();
    this.#jobs.clear();
  }
}

function aborted(): JoinError {
  return new JoinError("TOKIWA_CANCELLED", "the job was aborted before it began");
}

function tooMany(label: string): TokiwaError {
  return new TokiwaError("TOKIWA_TOO_MANY_THREADS", `${label} and its threads have as many threads as they may: terminate some, or raise attach()'s threads.maxThreads.`);
}

type TakeValue = (job: Job, value: unknown) => void;

/** Of a function of the guest. */
function takeOutcome(job: Job, value: unknown): void {
  const outcome = value as JobOutcome;
  job.result = typeof outcome === "number" ? outcome : outcome.result;
  if (typeof outcome !== "number") job.bytes = outcome.bytes;
}

/** Of JavaScript. */
function takeValue(job: Job, value: unknown): void {
  job.result = TK_READY;
  job.bytes = bytesOf(value);
}

/** What JavaScript returned, as a guest gets it. */
function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (typeof value === "number") return new Uint8Array(new Float64Array([value]).buffer);
  if (typeof value === "string") return encoder.encode(value);
  return encoder.encode(JSON.stringify(value) ?? "null");
}
