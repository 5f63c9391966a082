// The memory that threads of a pool share, as one of them sees it: its calls, its views, its own records.
//
// The rules are in assembly/pool.ts and the files it imports. Here is what JavaScript does with a record: its owner takes a free
// one, writes the job into it and queues its number; it gets the number back when the job has ended, and then it is free again.

import { ENDED, FREE, QUEUED, RECORD_BYTES, RECORD_DEFINITION, RECORD_GENERATION, RECORD_STATE, SCRATCH_CAPACITY, STARTED, STATE_MASK, STATE_SHIFT, THREAD_DONE } from "../../assembly/pool-layout.ts";
import { compileCore } from "../core.ts";
import { POOL_CORE } from "../generated/pool-core.ts";
import { mayBlock, mayPostModules, whenNotified } from "../host.ts";
import { type Cells, readAll, writeAll, writeOne } from "./inline.ts";
import type { Status } from "./wire.ts";

/** The exports of assembly/pool.ts. */
interface PoolCalls {
  join(base: number, threads: number, slotBits: number, thread: number, maySleep: number): void;
  poolBytes(threads: number, slotBits: number): number;
  recordAt(record: number): number;
  scratchAt(thread: number): number;
  stateAt(thread: number): number;
  begin(): void;
  inject(count: number): number;
  push(record: number): number;
  wakeOne(): number;
  wakeAnother(): number;
  next(): number;
  start(record: number): number;
  stopSearching(): void;
  putBack(record: number): void;
  cancel(record: number): number;
  post(owner: number, count: number): number;
  collect(): number;
  fallAsleep(how: number): number;
  look(times: number): number;
  sleep(ms: number): number;
  wakeUp(): void;
  rouse(thread: number): number;
  sleepers(): number;
  injected(): number;
  queuedByWorkers(): number;
  bury(thread: number): void;
  requeue(): number;
}

/** What a worker is told of it. */
export interface ShareState {
  readonly memory: WebAssembly.Memory;
  readonly threads: number;
  readonly slotBits: number;
  /** The compiled core of pools, where it can be posted. */
  readonly module: WebAssembly.Module | undefined;
}

// What a thread knows of a record of its own.
const UNSEEN = 0;
const IS_FREE = 1;
const IN_USE = 2;

// Of a record that has ENDED, above the state: the status, and the thread that had it.
const STATUS_MASK = 3;
const ENDER_SHIFT = STATE_SHIFT + 2;

const BASE = 1024;
const PAGE = 65536;

let compiled: WebAssembly.Module | undefined;

function instance(memory: WebAssembly.Memory): PoolCalls {
  compiled ??= compileCore(POOL_CORE);
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as PoolCalls;
}

/** Memory for a pool of this many workers. */
export function newShare(workers: number): ShareState {
  const threads = workers + 1;
  const slotBits = workers <= 8 ? 13 : workers <= 32 ? 11 : 8;
  const measure = instance(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
  const pages = Math.ceil((BASE + measure.poolBytes(threads, slotBits)) / PAGE);
  return { memory: new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), threads, slotBits, module: mayPostModules ? compiled : undefined };
}

export class Share implements Cells {
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly u16: Uint16Array;
  readonly calls: PoolCalls;
  readonly thread: number;
  readonly slotBits: number;
  /** Where this thread's numbers of records go before a call. */
  readonly scratch: number;
  readonly #records: number;
  readonly #free: number[] = [];
  /** Slots from here on have never been looked at: to look at all of them takes a thread that starts several milliseconds. */
  #fresh = 0;
  /** UNSEEN, IS_FREE or IN_USE, for each slot. */
  readonly #slots: Uint8Array;

  constructor({ memory, threads, slotBits, module }: ShareState, thread: number) {
    const { buffer } = memory;
    compiled ??= module;
    this.i32 = new Int32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.calls = instance(memory);
    this.thread = thread;
    this.slotBits = slotBits;
    this.calls.join(BASE, threads, slotBits, thread, mayBlock ? 1 : 0);
    this.#records = this.calls.recordAt(0);
    this.scratch = this.calls.scratchAt(thread) >> 2;
    this.#slots = new Uint8Array(1 << slotBits);
  }

  /** This thread takes part from now on. Records that a dead one before it has left in others' hands come back later. */
  begin(): void {
    this.i32[(this.calls.stateAt(this.thread) + THREAD_DONE) >> 2] = 0;
    this.calls.begin();
  }

  at(record: number): number {
    return this.#records + record * RECORD_BYTES;
  }

  #word(record: number, offset: number): number {
    return (this.#records + record * RECORD_BYTES + offset) >> 2;
  }

  ownerOf(record: number): number {
    return record >> this.slotBits;
  }

  stateOf(record: number): number {
    return (this.i32[this.#word(record, RECORD_STATE)] as number) & STATE_MASK;
  }

  /** Of a record that has ENDED. */
  statusOf(record: number): Status {
    return (((this.i32[this.#word(record, RECORD_STATE)] as number) >>> STATE_SHIFT) & STATUS_MASK) as Status;
  }

  /** The thread that has started it; 0 when it is over, and -1 when it is queued, again perhaps. */
  runnerOf(record: number): number {
    const word = this.i32[this.#word(record, RECORD_STATE)] as number;
    const state = word & STATE_MASK;
    return state === QUEUED ? -1 : state === STARTED ? word >>> STATE_SHIFT : 0;
  }

  isStartedBy(record: number, thread: number): boolean {
    return this.i32[this.#word(record, RECORD_STATE)] === (STARTED | (thread << STATE_SHIFT));
  }

  isEndedBy(record: number, thread: number): boolean {
    const word = this.i32[this.#word(record, RECORD_STATE)] as number;
    return (word & STATE_MASK) === ENDED && word >>> ENDER_SHIFT === thread;
  }

  generationOf(record: number): number {
    return this.i32[this.#word(record, RECORD_GENERATION)] as number;
  }

  definitionOf(record: number): number {
    return (this.i32[this.#word(record, RECORD_DEFINITION)] as number) >>> 0;
  }

  // ---- own records

  *ownRecords(): Generator<number> {
    const first = this.thread << this.slotBits;
    for (let record = first; record < first + this.#slots.length; record++) yield record;
  }

  /** Whether one is free, as far as is known: fill() finds out. */
  get hasFree(): boolean {
    return this.#free.length > 0 || this.#fresh < this.#slots.length;
  }

  /** A free record that was not used yet. One that a dead thread before this one has left in others' hands is not free. */
  #findFresh(): number {
    const slots = this.#slots;
    for (; this.#fresh < slots.length; this.#fresh++) {
      const record = (this.thread << this.slotBits) | this.#fresh;
      if (slots[this.#fresh] === UNSEEN && this.stateOf(record) === FREE) return record;
    }
    return -1;
  }

  /** Writes a job into a free record. @returns its number, or -1: none is free, or the arguments are too large or of another kind */
  fill(definition: number, args: readonly unknown[]): number {
    const free = this.#free;
    const isFresh = free.length === 0;
    const record = isFresh ? this.#findFresh() : (free[free.length - 1] as number);
    if (record < 0 || !writeAll(this, this.at(record), args)) return -1;
    if (isFresh) this.#fresh++;
    else free.pop();
    this.#slots[record & ((1 << this.slotBits) - 1)] = IN_USE;
    this.i32[this.#word(record, RECORD_DEFINITION)] = definition;
    const uses = this.generationOf(record) + 1;
    this.i32[this.#word(record, RECORD_GENERATION)] = uses === 0 ? 1 : uses;      // on the wire 0 says that a job lies in no record
    this.i32[this.#word(record, RECORD_STATE)] = QUEUED;    // plain: nobody has its number before it is queued
    return record;
  }

  /** The record may be used again. Once too often does no harm. */
  release(record: number): void {
    const slot = record & ((1 << this.slotBits) - 1);
    if (this.#slots[slot] === IS_FREE) return;
    this.#slots[slot] = IS_FREE;
    this.i32[this.#word(record, RECORD_STATE)] = FREE;
    this.#free.push(record);
  }

  // ---- anyone's

  /** Frees a record of a dead thread, whose job has ended. */
  free(record: number, generation: number): void {
    if (this.stateOf(record) === STARTED && this.generationOf(record) === generation) Atomics.store(this.i32, this.#word(record, RECORD_STATE), FREE);
  }

  argsOf(record: number): unknown[] {
    return readAll(this, this.at(record));
  }

  /** Writes the result of a job. False when it must go by a port. */
  end(record: number, status: Status, value: unknown): boolean {
    if (!writeOne(this, this.at(record), value)) return false;
    this.i32[this.#word(record, RECORD_STATE)] = ENDED | (status << STATE_SHIFT) | (this.thread << ENDER_SHIFT);     // plain: published with its number
    return true;
  }

  countDone(): void {
    this.i32[(this.calls.stateAt(this.thread) + THREAD_DONE) >> 2]!++;
  }

  doneBy(thread: number): number {
    return this.i32[(this.calls.stateAt(thread) + THREAD_DONE) >> 2] as number;
  }

  /** Takes what has come back, in the order in which it ended. */
  collect(take: (record: number) => void): boolean {
    let any = false;
    for (;;) {
      const count = this.calls.collect();
      if (count === 0) return any;
      any = true;
      const came = this.i32.slice(this.scratch, this.scratch + count);      // what is taken may call back in here
      this.#fetch(came);
      for (let i = 0; i < count; i++) take(came[i] as number);
      if (count < SCRATCH_CAPACITY) return true;
    }
  }

  /**
   * Asks for the cache lines of all these records, which another thread has written, at the same time. Waiting for each of them in the
   * middle of settling the job before cost more than the rest of a job that does nothing.
   */
  #fetch(records: Int32Array): void {
    let states = 0;
    for (let i = 0; i < records.length; i++) states |= this.i32[this.#word(records[i] as number, RECORD_STATE)] as number;
    this.fetched = states;                                 // or the compiler would leave all of it out
  }

  protected fetched = 0;

  /** Sends records back to their owner. */
  post(owner: number, records: number[]): boolean {
    let woke = false;
    for (let from = 0; from < records.length; from += SCRATCH_CAPACITY) {
      const count = Math.min(SCRATCH_CAPACITY, records.length - from);
      for (let i = 0; i < count; i++) this.i32[this.scratch + i] = records[from + i] as number;
      if (this.calls.post(owner, count) === 1) woke = true;
    }
    return woke;
  }
}

/** Calls back when this thread, which is asleep, is woken; one call for each wake at most. Never where `canBeNotified` is false: the waker sends a message. */
export class Doze {
  readonly #share: Share;
  readonly #word: number;
  readonly #onWake: () => void;
  #isWaiting = false;

  constructor(share: Share, onWake: () => void) {
    this.#share = share;
    this.#word = share.calls.stateAt(share.thread) >> 2;
    this.#onWake = onWake;
  }

  /** @param asleep the state word's value while it sleeps */
  begin(asleep: number): void {
    if (!this.#isWaiting) this.#isWaiting = whenNotified(this.#share.i32, this.#word, asleep, this.#woken);
  }

  readonly #woken = (): void => {
    this.#isWaiting = false;
    this.#onWake();
  };
}
