// Loops of a guest built with -pthread (tokiwa-loops.h), as the main thread sees them: their tasks are run by pthreads, in the guest's
// memory, by code that tokiwa-pthread-lib.js has brought along. What is woken here from there comes through a box.

import { BOX_SIGNAL } from "../../assembly/loops/layout.ts";
import { JoinError, TokiwaError } from "../errors.ts";
import { Operation, PENDING, type Waker } from "../future.ts";
import { startTimer, stopTimer, type HostTimer, unrefTimer, whenNotified } from "../host.ts";
import { TK_ECANCELED, TK_ECLOSED, TK_ESTALE, TK_ETRAP, TK_PENDING, TK_READY } from "./codes.ts";
import { GuestWaker } from "./waker.ts";

/** takeMail(): empty, and: some were lost. */
const EMPTY = -1;
const OVERFLOW = -2;
/** Milliseconds between looks into the box, on hosts without Atomics.waitAsync. */
const LOOK_MS = 4;

/** What `tokiwa-pthread-lib.js` hands over. */
export interface LoopsAccess {
  readonly calls: LoopCalls;
  memory(): WebAssembly.Memory;
  /** Workers of the guest's pthreads. */
  workers(): { unref?: () => void }[];
}

/** The exports of assembly/loops that JavaScript calls. */
export interface LoopCalls {
  rootAddress(): number;
  takeMail(): number;
  closeAll(): void;
  tk_wake(task: number): number;
  tk_abort(task: number): number;
  tk_detach(task: number): void;
  tk_is_live(task: number): number;
  tk_join_start(task: number, waiter: number): number;
  tk_result(): number;
  tk_now(): number;
}

export interface LoopsHost {
  readonly label: string;
  /** Wakes a task of this thread. */
  wake(task: number): boolean;
  /** Wakes all of the guest's. */
  wakeAll(): void;
}

export class Loops {
  readonly #calls: LoopCalls;
  readonly #memory: () => WebAssembly.Memory;
  readonly #workers: LoopsAccess["workers"];
  readonly #host: LoopsHost;
  #isClosed = false;
  #isListening = false;
  #timer: HostTimer | undefined;

  constructor({ calls, memory, workers }: LoopsAccess, host: LoopsHost) {
    this.#workers = workers;
    this.#calls = calls;
    this.#memory = memory;
    this.#host = host;
  }

  wake(task: number): number {
    return this.#calls.tk_wake(task);
  }

  isLive(task: number): number {
    return this.#calls.tk_is_live(task);
  }

  abort(task: number): number {
    return this.#calls.tk_abort(task);
  }

  detach(task: number): void {
    this.#calls.tk_detach(task);
  }

  /** As tk_join_start(). */
  join(task: number, waiter: number): number {
    return this.#calls.tk_join_start(task, waiter);
  }

  get result(): number {
    return this.#calls.tk_result();
  }

  /** Begins to take what other threads have woken here: when the guest's memory is there. */
  listen(): void {
    if (this.#isListening || this.#isClosed) return;
    this.#isListening = true;
    void this.#calls.tk_now();                             // finds the memory, or makes it
    this.#wait();
  }

  readonly #wait = (): void => {
    if (this.#isClosed) return;
    const words = new Int32Array(this.#memory().buffer);
    const place = (this.#calls.rootAddress() + BOX_SIGNAL) >>> 2;
    const seen = Atomics.load(words, place);               // before the look: what comes after it changes the word
    this.#empty();
    if (whenNotified(words, place, seen, this.#wait)) return;
    this.#timer = startTimer(this.#wait, LOOK_MS);
    unrefTimer(this.#timer);
  };

  #empty(): void {
    for (let task = this.#calls.takeMail(); task !== EMPTY; task = this.#calls.takeMail()) {
      if (task === OVERFLOW) this.#host.wakeAll();
      else this.#host.wake(task);
    }
  }

  /** A waker for any thread. */
  waker(task: number): GuestWaker {
    return new GuestWaker({ buffer: this.#memory().buffer as unknown as SharedArrayBuffer, root: this.#calls.rootAddress(), task });
  }

  /** A future of the result, for JavaScript. Dropping it aborts the task. */
  taskOf(task: number): Operation<number> {
    return new LoopJoin(this, task, this.#host.label);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#timer !== undefined) stopTimer(this.#timer);
    this.#calls.closeAll();
    for (const worker of this.#workers()) worker.unref?.();  // Emscripten keeps them for later threads; the process may end
  }
}

class LoopJoin extends Operation<number> {
  readonly #loops: Loops;
  readonly #task: number;
  readonly #label: string;
  #isOver = false;

  constructor(loops: Loops, task: number, label: string) {
    super();
    this.#loops = loops;
    this.#task = task;
    this.#label = label;
  }

  poll(waker: Waker): number | typeof PENDING {
    const state = this.#loops.join(this.#task, (waker as unknown as { handle: number }).handle);
    if (state === TK_PENDING) return PENDING;
    this.#isOver = true;
    const what = `task ${this.#task} of ${this.#label}`;
    if (state === TK_ECLOSED) throw new JoinError("TOKIWA_CANCELLED", `${what} was cancelled: its guest was detached`);
    if (state === TK_ESTALE) throw new TokiwaError("TOKIWA_GUEST_ERROR", `${what} was joined by somebody else, or detached`);
    const result = state === TK_READY ? this.#loops.result : state;
    if (result === TK_ECANCELED) throw new JoinError("TOKIWA_CANCELLED", `${what} was cancelled`);
    if (result === TK_ETRAP) throw new TokiwaError("TOKIWA_GUEST_TRAP", `${what} trapped on the thread that ran it, which has said so`);
    if (result < 0) throw new TokiwaError("TOKIWA_GUEST_ERROR", `${what} ended with the error ${result}`);
    return result;
  }

  override [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#loops.abort(this.#task);
    this.#loops.detach(this.#task);
  }

  override describe(): string {
    return `task ${this.#task} of ${this.#label}, on another thread`;
  }
}
