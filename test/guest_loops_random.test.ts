// Loops of a guest's threads (assembly/loops): random calls on several instances over one memory, against plain arrays.
//
// All "threads" take their turns here, so that at each moment it is known which tasks are queued, alive, and joined, on which loop. What happens
// between two instructions of different threads is test/model's.
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { ECANCELED, ECLOSED, EINVAL, ESTALE, PENDING, READY, YIELD } from "../assembly/codes.ts";
import { ROOT_BYTES } from "../assembly/loops/layout.ts";
import { seed } from "./support/lanes.ts";

type Exports = Record<string, (...args: number[]) => number>;

const module = await WebAssembly.compile(await readFile(new URL("../build/guest-loops.wasm", import.meta.url)));
// (module (import "e" "f" (func (param i32 i32) (result i32))) (export "g" (func 0))): a table takes no functions of JavaScript
const EXPORTING = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 2, 7, 1, 1, 101, 1, 102, 0, 0, 7, 5, 1, 1, 103, 0, 0]));

const HEAP = 1024;
const PAGES = 64;
const THREADS = 4;

/** A task as it should be. */
interface Task {
  readonly id: number;
  readonly handle: number;
  readonly loop: number;
  isQueued: boolean;
  isAborted: boolean;
  isJoinable: boolean;
  result: number | undefined;
  waiter: number | undefined;
}

/** Gives memory from 1 KiB on, and wants it back as it was given. */
class Memory {
  readonly words = new WebAssembly.Memory({ initial: PAGES, maximum: 65536, shared: true });
  readonly blocks = new Map<number, number>();
  readonly #free = new Map<number, number[]>();
  #top = HEAP;

  allocate(bytes: number): number {
    const at = this.#free.get(bytes)?.pop() ?? this.#top;
    if (at === this.#top) this.#top += (bytes + 15) & ~15;
    if (this.#top > PAGES * 65536) return 0;
    this.blocks.set(at, bytes);
    new Uint8Array(this.words.buffer).fill(0xdd, at, at + bytes);
    return at;
  }

  free(at: number, bytes: number): void {
    expect(this.blocks.get(at)).toBe(bytes);
    this.blocks.delete(at);
    this.#free.set(bytes, [...(this.#free.get(bytes) ?? []), at]);
  }
}

class Guest {
  readonly memory = new Memory();
  readonly threads: { calls: Exports; loop: number }[] = [];
  readonly tasks: Task[] = [];
  readonly loops = new Set<number>();
  root = 0;
  time = 0;
  /** Milliseconds by which a thread's clock is ahead. */
  readonly ahead = Array.from({ length: THREADS }, () => 0);
  polls = 0;
  #random: number;

  constructor(start: number) {
    this.#random = start >>> 0;
    for (let i = 0; i < THREADS; i++) this.threads.push({ calls: this.#thread(i), loop: 0 });
  }

  chance(n: number): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#random / 2 ** 32) * n);
  }

  pick<T>(from: Iterable<T>): T | undefined {
    const all = [...from];
    return all[this.chance(all.length)];
  }

  #thread(index: number): Exports {
    const host = { root: () => this.root, allocate: (n: number) => this.memory.allocate(n), free: (at: number, n: number) => this.memory.free(at, n), growTable: () => 0, nap() {}, now: () => this.time + this.ahead[index]! };
    const calls = new WebAssembly.Instance(module, { env: { memory: this.memory.words }, host }).exports as Exports;
    const table = calls["table"] as unknown as WebAssembly.Table;
    table.grow(2 - table.length);
    table.set(1, new WebAssembly.Instance(EXPORTING, { e: { f: (arg: number, self: number) => this.#poll(index, arg, self) } }).exports["g"]);
    if (this.root === 0) this.root = calls["format"]!();
    calls["init"]!(this.root, 2, 1);
    return calls;
  }

  /** A task does something at random, and goes on, waits or ends. */
  #poll(thread: number, id: number, self: number): number {
    this.polls++;
    const task = this.tasks[id]!;
    expect({ id, isQueued: task.isQueued, hasEnded: task.result !== undefined, loop: task.loop }).toEqual({ id, isQueued: true, hasEnded: false, loop: this.threads[thread]!.loop });
    expect(self).toBe(task.isAborted ? ~task.handle : task.handle);
    task.isQueued = false;
    if (this.chance(3) === 0) this.wake(thread);
    if (this.chance(4) === 0) this.spawn(thread, 0);
    if (this.chance(6) === 0) this.abort(thread);
    if (self < 0) return this.#end(task, ECANCELED);
    const what = this.chance(4);
    if (what === 0) return this.#end(task, READY + this.chance(5) * 4);
    if (what === 1) task.isQueued = true;
    return what === 1 ? YIELD : PENDING;
  }

  #end(task: Task, result: number): number {
    task.result = result;
    task.isQueued = false;
    const waiter = this.tasks.find(({ id }) => id === task.waiter);
    if (waiter !== undefined && waiter.result === undefined && task.isJoinable) waiter.isQueued = true;
    return result;
  }

  /** @param loop 0: on the loop that the thread runs */
  spawn(thread: number, loop: number): void {
    const { calls, loop: own } = this.threads[thread]!;
    const isJoinable = this.chance(2) === 0;
    const id = this.tasks.length;
    const handle = loop === 0 ? calls[isJoinable ? "tk_spawn" : "tk_spawn_detached"]!(1, id) : calls[isJoinable ? "tk_spawn_on" : "tk_spawn_detached_on"]!(loop, 1, id);
    const home = loop === 0 ? own : loop;
    if (!this.loops.has(home)) expect(handle).toBeLessThan(0);
    else {
      expect(handle).toBeGreaterThan(0);
      this.tasks.push({ id, handle, loop: home, isQueued: true, isAborted: false, isJoinable, result: undefined, waiter: undefined });
    }
  }

  #any(): Task | undefined {
    return this.tasks[Math.max(0, this.tasks.length - 1 - this.chance(40))];
  }

  wake(thread: number): void {
    const task = this.#any();
    if (task === undefined) return;
    expect(this.threads[thread]!.calls["tk_wake"]!(task.handle)).toBe(task.result === undefined && !task.isQueued ? 1 : 0);
    if (task.result === undefined) task.isQueued = true;
  }

  abort(thread: number): void {
    const task = this.#any();
    if (task === undefined) return;
    expect(this.threads[thread]!.calls["tk_abort"]!(task.handle)).toBe(task.result === undefined ? 1 : ESTALE);
    if (task.result === undefined) task.isAborted = task.isQueued = true;
  }

  join(thread: number): void {
    const [task, waiter] = [this.#any(), this.#any()];
    if (task === undefined || waiter === undefined || task === waiter || waiter.result !== undefined) return;
    const { calls } = this.threads[thread]!;
    const state = calls["tk_join_start"]!(task.handle, waiter.handle);
    if (!task.isJoinable) expect(state).toBe(ESTALE);
    else if (task.result !== undefined) {
      expect([state, calls["tk_result"]!()]).toEqual([READY, task.result]);
      task.isJoinable = false;
    } else {
      expect(state).toBe(PENDING);
      const before = this.tasks.find(({ id }) => id === task.waiter);
      if (before !== undefined && before !== waiter && before.result === undefined) before.isQueued = true;
      task.waiter = waiter.id;
    }
  }

  detach(thread: number): void {
    const task = this.#any();
    if (task === undefined) return;
    this.threads[thread]!.calls["tk_detach"]!(task.handle);
    task.isJoinable = false;
  }

  /** Comes and goes. */
  enter(thread: number): void {
    const one = this.threads[thread]!;
    if (one.loop !== 0) {
      one.calls["leave"]!();
      one.loop = 0;
    } else {
      const loop = this.pick(this.loops) ?? 8;
      expect(one.calls["enter"]!(loop)).toBe(loop === 8 ? EINVAL : READY);
      if (loop !== 8) one.loop = loop;
    }
  }

  drive(thread: number, polls = 1 + this.chance(20)): number {
    const { calls, loop } = this.threads[thread]!;
    return loop === 0 ? 0 : calls["drive"]!(polls, Infinity);
  }

  makeLoop(thread: number): void {
    if (this.loops.size < 3) this.loops.add(this.threads[thread]!.calls["tk_loop_new"]!());
  }

  freeLoop(thread: number): void {
    const one = this.threads[thread]!;
    const loop = this.pick(this.loops);
    if (one.loop !== 0 || loop === undefined) return;
    const claimed = one.calls["claimLoop"]!(loop);
    expect(claimed === READY).toBe(this.threads.every((other) => other.loop !== loop));
    if (claimed !== READY) return;
    this.loops.delete(loop);
    for (const task of this.tasks) if (task.loop === loop && task.result === undefined) task.isAborted = task.isQueued = true;
    one.loop = loop;                                         // for the last polls
    expect(one.calls["finishFree"]!()).toBe(READY);
    one.loop = 0;
    expect(this.tasks.filter((task) => task.loop === loop && task.result === undefined)).toEqual([]);
  }

  check(): void {
    const calls = this.threads[0]!.calls;
    for (const loop of this.loops) {
      const live = this.tasks.filter((task) => task.loop === loop && task.result === undefined).length;
      const runners = this.threads.filter((thread) => thread.loop === loop).length;
      expect([calls["tk_alive"]!(loop), calls["tk_loop_runners"]!(loop)]).toEqual([live, runners]);
    }
  }
}

test("4 threads, 3 loops, 10 x 3000 random calls", () => {
  for (let round = 0; round < 10; round++) {
    const guest = new Guest(seed + round * 7919);
    try {
      for (let step = 0; step < 3000; step++) {
        const thread = guest.chance(THREADS);
        const what = guest.chance(20);
        if (what < 4) guest.spawn(thread, guest.pick(guest.loops) ?? 8);
        else if (what < 8) guest.drive(thread);
        else if (what < 10) guest.wake(thread);
        else if (what < 12) guest.join(thread);
        else if (what < 14) guest.enter(thread);
        else if (what === 14) guest.abort(thread);
        else if (what === 15) guest.detach(thread);
        else if (what === 16) guest.makeLoop(thread);
        else if (what === 17 && guest.chance(10) === 0) guest.freeLoop(thread);
        else if (what === 18) guest.check();
      }
      // Every queued task is polled by whoever runs its loop; tasks that yield or spawn go on, so they are aborted.
      for (let thread = 0; thread < THREADS; thread++) if (guest.threads[thread]!.loop !== 0) guest.enter(thread);
      for (const loop of [...guest.loops]) {
        while (guest.loops.has(loop)) guest.freeLoop(0);
      }
      expect(guest.tasks.every(({ result, isQueued }) => result !== undefined && !isQueued)).toBe(true);
      const { calls } = guest.threads[1]!;
      calls["closeAll"]!();
      expect([calls["tk_wake"]!(1 << 30), calls["tk_loop_new"]!(), calls["enter"]!(8)]).toEqual([ECLOSED, 0, ECLOSED]);
      expect([...guest.memory.blocks.values()]).toEqual([ROOT_BYTES]);
      expect(guest.polls).toBeGreaterThan(1000);
    } catch (error) {
      throw new Error(`TOKIWA_SEED=${seed}, round ${round}: ${(error as Error).message}`, { cause: error });
    }
  }
}, 60_000);

test("1000 timers of one loop fire in their order, or not at all when they were ended", () => {
  const guest = new Guest(seed);
  const calls = guest.threads[0]!.calls;
  guest.makeLoop(0);
  const [loop] = guest.loops;
  const due = Array.from({ length: 1000 }, () => {
    guest.spawn(0, loop!);
    const task = guest.tasks.at(-1)!;
    const ms = guest.chance(500);
    const timer = calls["tk_timer_begin"]!(task.handle, ms);
    const tick = calls["tk_timer_tick"]!();
    const isEnded = guest.chance(3) === 0;
    if (isEnded) calls["tk_timer_end"]!(timer, tick);
    return { tick, isEnded };
  });
  const waiting = due.filter(({ isEnded }) => !isEnded).map(({ tick }) => tick);
  for (guest.time = 0; waiting.length > 0; guest.time++) {
    const next = calls["tk_next_timeout_ms"]!(loop!);
    expect({ seed, now: guest.time, next }).toEqual({ seed, now: guest.time, next: Math.max(0, Math.min(...waiting) - guest.time) });
    calls["enter"]!(loop!);
    calls["drive"]!(0, Infinity);
    calls["leave"]!();
    while (waiting.some((tick) => tick <= guest.time)) waiting.splice(waiting.findIndex((tick) => tick <= guest.time), 1);
  }
  expect(calls["tk_next_timeout_ms"]!(loop!)).toBe(-1);
});

test("a timer that fired by one thread's clock has fired for those whose clocks are behind", () => {
  const guest = new Guest(seed);
  guest.makeLoop(0);
  const [loop] = guest.loops;
  guest.spawn(0, loop!);
  guest.time = 1000;
  guest.ahead.splice(1, 1, 37);
  const [behind, ahead] = [guest.threads[0]!.calls, guest.threads[1]!.calls];
  behind["tk_timer_begin"]!(guest.tasks[0]!.handle, 20);
  const tick = behind["tk_timer_tick"]!();
  expect([behind["tk_timer_fired"]!(tick), behind["tk_next_timeout_ms"]!(loop!)]).toEqual([0, 20]);
  ahead["enter"]!(loop!);
  ahead["drive"]!(0, Infinity);                              // it wakes the task, once
  ahead["leave"]!();
  expect([behind["tk_next_timeout_ms"]!(loop!), behind["tk_timer_fired"]!(tick), behind["tk_now"]!()]).toEqual([-1, 1, tick]);
  guest.time += 100;
  expect(behind["tk_now"]!()).toBe(tick + 80);
});
