// Who lives: one table for all threads that descend from one another, in shared memory.
//
//   [0]               the number given out last
//   [placeOf(n)]      of thread n: ALIVE, DYING or DEAD
//   [placeOf(n) + 1]  whether it is inside a lock of a shared primitive
//   [PARENTS + n]     whose worker it is
//   [SPARE]           the place of all that came when the numbers were used up: nobody looks at it
//
// Each thread writes its second word at every lock: those of neighbours lie 128 bytes apart, not in one line of the processors' caches.
//
// A parent gives its worker a number, and writes DEAD when it has noticed the end. What a dead thread held in a shared primitive is
// given back by whoever waits for it. A parent that ends a worker says DYING first and waits until it is inside no lock: one that
// is DYING enters none. So of the threads that are killed inside a lock, which others have to mend, only those are left
// that nobody could warn: out of memory, or killed with the whole process.
//
// The workers of a worker end with it, and there is nobody left to say so: whoever ends it warns them as well, and writes DEAD for all of
// them when its end is known. Node has joined their threads by then. Elsewhere one may run on for a moment: it enters no lock
// any more, and there is a wait until it is inside none.

import { mayBlock, monotonicNow } from "../host.ts";
import { shared } from "../registry.ts";
import { canShare } from "./transport.ts";

const ALIVE = 1;
const DYING = 2;
const DEAD = 3;
/** More threads than these have a number, but nobody notices their death. */
const CAPACITY = 1 << 17;
const PARENTS = CAPACITY * 2;
const SPARE = CAPACITY * 3;
const WORDS = SPARE + 2;
/** The lowest bits of a number, which tell neighbours apart, are the highest of its place. */
const LOW_BITS = 13;
const HIGH_BITS = 4;
/** Milliseconds a parent waits for a worker to leave a lock: it holds one for less than a microsecond, while it runs. */
const PATIENCE = 100;
const NAP = 0.05;

/** This thread's place, whichever copy of this package was told. */
export const family = /* @__PURE__ */ shared("family", () => ({
  table: undefined as Int32Array | undefined,
  own: 1,
  /** Where its words lie. */
  place: placeOf(1),
  /** The Web Lock this worker of a page holds while it lives. */
  lifeLock: undefined as string | undefined,
  /** This thread serves jobs of a parent: plain functions in it may block. */
  inWorker: false,
  /** blockOn() may be called inside tasks: the thread is theirs alone, or they have said that they block. */
  mayNest: false,
}));

/** Runs `fn`, inside of which blockOn() may be called in tasks, or may not. */
export function nesting<T>(may: boolean, fn: () => T): T {
  const { mayNest } = family;
  family.mayNest = may;
  try {
    return fn();
  } finally {
    family.mayNest = mayNest;
  }
}

/** This thread has a number. */
export function be(id: number): void {
  family.own = id;
  family.place = placeOf(id);
}

/** In a worker: what its parent has said. */
export function joinFamily(given: SharedArrayBuffer | undefined, id: number, lock: string | undefined): void {
  family.lifeLock = lock;
  family.table = given === undefined ? undefined : new Int32Array(given);
  be(id);
  family.inWorker = true;
}

export function familyTable(): Int32Array | undefined {
  if (family.table === undefined && canShare()) {
    family.table = new Int32Array(new SharedArrayBuffer(WORDS * 4));
    family.table[0] = family.own;
    family.table[family.place] = ALIVE;
  }
  return family.table;
}

/** Number of this thread, at least 1. */
export function ownId(): number {
  return family.own;
}

function placeOf(id: number): number {
  if (id >= CAPACITY) return SPARE;
  return (((id & ((1 << LOW_BITS) - 1)) << HIGH_BITS) | (id >>> LOW_BITS)) * 2;
}

/** A number for a new worker; 0 when there is no shared memory. */
export function newMember(): number {
  const all = familyTable();
  if (all === undefined) return 0;
  const id = Atomics.add(all, 0, 1) + 1;
  if (id >= CAPACITY) return id;
  all[PARENTS + id] = family.own;                          // before the state, which whoever warns a family changes
  Atomics.store(all, placeOf(id), ALIVE);
  if (!mayBeInside()) Atomics.store(all, placeOf(id), DYING);                   // a family is warned from the oldest on: this one came too late
  return id;
}

/** A thread and all that descend from it, each after its parent. */
function* kinOf(id: number): Generator<number> {
  const table = family.table!;
  yield id;
  const found = new Set([id]);
  for (let one = id + 1; one <= Atomics.load(table, 0) && one < CAPACITY; one++) {       // a number is higher than its parent's
    if (!found.has(table[PARENTS + one] as number)) continue;
    found.add(one);
    yield one;
  }
}

function has(id: number): boolean {
  return family.table !== undefined && id > 0 && id < CAPACITY && placeOf(id) < family.table.length;
}

/** Before a worker is ended: from when this returns on it is inside no lock, nor are its own workers, unless they could not be waited for. */
export function warnMember(id: number): void {
  if (!has(id)) return;
  const table = family.table!;
  const warned: number[] = [];
  for (const one of kinOf(id)) {
    const place = placeOf(one);
    if (Atomics.compareExchange(table, place, ALIVE, DYING) === ALIVE) warned.push(place);
  }
  const until = monotonicNow() + PATIENCE;
  for (const place of warned) {
    while (Atomics.load(table, place + 1) !== 0 && monotonicNow() < until) if (mayBlock) Atomics.wait(table, place + 1, 1, NAP);
  }
}

/** Its thread runs no more; its workers perhaps do. */
export function buryMember(id: number): void {
  if (has(id)) Atomics.store(family.table!, placeOf(id), DEAD);
}

/** Its thread has ended, and those of its workers. */
export function buryFamily(id: number): void {
  if (!has(id)) return;
  warnMember(id);                                          // those of one that nobody ended
  for (const one of kinOf(id)) buryMember(one);
}

export function isDead(id: number): boolean {
  return has(id) && Atomics.load(family.table!, placeOf(id)) === DEAD;
}

/** Whether another thread lives. Where none can be noticed: perhaps. */
export function othersLive(): boolean {
  const { table } = family;
  if (family.inWorker) return true;
  if (table === undefined) return false;
  const last = Atomics.load(table, 0);
  if (last >= CAPACITY) return true;
  for (let id = last; id > 0; id--) if (id !== family.own && Atomics.load(table, placeOf(id)) === ALIVE) return true;
  return false;
}

// ---- locks

/** Before this thread looks at a lock. */
export function goInside(): void {
  const { table, place } = family;
  if (table !== undefined) table[place + 1] = 1;            // before the exchange on the lock, which no store passes
}

/** After an exchange on a lock: false when this thread was told to end, and must not go on. */
export function mayBeInside(): boolean {
  const { table, place } = family;
  return table === undefined || Atomics.load(table, place) < DYING;        // pairs with warnMember()
}

/** After the lock was opened. */
export function goOutside(): void {
  const { table, place } = family;
  if (table !== undefined) table[place + 1] = 0;
}

/** Waits for the end, which is near. */
export function waitForEnd(): void {
  goOutside();
  const { table, place } = family;
  for (;;) if (mayBlock) Atomics.wait(table!, place, Atomics.load(table!, place));
}
