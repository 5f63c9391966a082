// The compiled core for its own tests: an instance, an arena, and the loop's half of the protocol.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ARENA_BATCH, ARENA_CAPACITY, ARENA_ELAPSED, ARENA_STATES, INDEX_MASK, NOTIFIED } from "../assembly/layout.ts";

export type Flavor = "local" | "shared";
export const FLAVORS: readonly Flavor[] = ["local", "shared"];

export interface Exports {
  heapInit(base: number): void;
  heapInitWithin(base: number, bytes: number): void;
  heapAttach(base: number): void;
  arenaNew(capacity: number): number;
  arenaFree(a: number): void;
  pages(): number;
  unitsGrow(a: number): number;
  unitNew(a: number): number;
  spawn(a: number): number;
  guestNew(a: number, fn: number, arg: number, flags: number): number;
  unitFree(a: number, handle: number): void;
  isLive(a: number, handle: number): number;
  live(a: number): number;
  wake(a: number, handle: number): number;
  defer(a: number, handle: number): number;
  turn(a: number, polled: number, max: number): number;
  guestFailed(a: number): number;
  look(a: number, nowMs: number): number;
  ready(a: number): number;
  timersGrow(a: number): number;
  timerInsert(a: number, tick: number, handle: number): number;
  timerCancel(a: number, timer: number): void;
  timerTarget(a: number, timer: number, handle: number): void;
  timerNext(a: number): number;
  timerBound(a: number): number;
  wakeRemote(a: number, handle: number): number;
  parkPrepare(a: number): number;
  park(a: number, timeoutMs: number): number;
  unpark(a: number): number;
  parkDone(a: number): void;
}

export const HEAP_BASE = 1024;
const FILES = { local: "core.wasm", shared: "core.shared.wasm" } as const;

export function coreBytes(flavor: Flavor): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(fileURLToPath(new URL(`../build/${FILES[flavor]}`, import.meta.url))));
}

/** @param maximumPages how far the memory may grow, in 64 KiB */
export function makeMemory(flavor: Flavor, maximumPages = 65536): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 1, maximum: maximumPages, shared: flavor === "shared" });
}

export function instantiate(flavor: Flavor, memory: WebAssembly.Memory): Exports {
  const module = new WebAssembly.Module(coreBytes(flavor));
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
}

/** An arena in a memory of its own. */
export class Arena {
  readonly core: Exports;
  readonly memory: WebAssembly.Memory;
  readonly a: number;

  constructor(flavor: Flavor = "local", { capacity = 64, maximumPages = 65536 } = {}) {
    this.memory = makeMemory(flavor, maximumPages);
    this.core = instantiate(flavor, this.memory);
    this.core.heapInit(HEAP_BASE);
    this.a = this.core.arenaNew(capacity);
    if (this.a === 0) throw new Error("no memory for an arena");
  }

  /** Slow and always right; a runtime keeps its view. */
  get words(): Int32Array {
    return new Int32Array(this.memory.buffer);
  }

  word(offset: number): number {
    return this.words[(this.a + offset) >> 2]! >>> 0;
  }

  get elapsed(): number {
    return new Float64Array(this.memory.buffer)[(this.a + ARENA_ELAPSED) >> 3]!;
  }

  get capacity(): number {
    return this.word(ARENA_CAPACITY);
  }

  state(index: number): number {
    return this.words[(this.word(ARENA_STATES) >> 2) + index]!;
  }

  /** What JavaScript does just before a poll. @returns the state as it was. */
  takeNotified(index: number): number {
    const words = this.words;
    const place = (this.word(ARENA_STATES) >> 2) + index;
    const state = words[place]!;
    words[place] = state & ~NOTIFIED;
    return state;
  }

  batch(count: number): number[] {
    const start = (this.a + ARENA_BATCH) >> 2;
    return [...this.words.subarray(start, start + count)];
  }

  setResult(place: number, result: number): void {
    this.words[((this.a + ARENA_BATCH) >> 2) + place]! |= result;
  }

  spawn(): number {
    let handle = this.core.spawn(this.a);
    if (handle < 0 && this.core.unitsGrow(this.a) === 1) handle = this.core.spawn(this.a);
    return handle;
  }

  unitNew(): number {
    let handle = this.core.unitNew(this.a);
    if (handle < 0 && this.core.unitsGrow(this.a) === 1) handle = this.core.unitNew(this.a);
    return handle;
  }

  timerInsert(tick: number, handle: number): number {
    let timer = this.core.timerInsert(this.a, tick, handle);
    if (timer < 0 && this.core.timersGrow(this.a) === 1) timer = this.core.timerInsert(this.a, tick, handle);
    return timer;
  }

  /** Polls everything that is in the ring; each poll returns pending. @returns the indices in their order */
  drainRing(): number[] {
    const order: number[] = [];
    const words = this.words;
    const states = this.word(ARENA_STATES) >> 2;
    const batch = (this.a + ARENA_BATCH) >> 2;
    for (let count = this.core.turn(this.a, 0, 256); count > 0; count = this.core.turn(this.a, count, 256)) {
      for (let i = 0; i < count; i++) {
        const index = words[batch + i]! & INDEX_MASK;
        words[states + index]! &= ~NOTIFIED;
        order.push(index);
      }
    }
    return order;
  }
}

/** A small generator of random numbers with a seed (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed | 0) || 1;
  }

  /** A whole number from 0 to below - 1. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return limit <= 0x1_0000_0000 ? (x >>> 0) % limit : Math.floor(((x >>> 0) / 0x1_0000_0000) * limit);
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}
