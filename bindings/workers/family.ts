// Who lives: one table for all threads that descend from one another, in shared memory.
//
//   [0]   the number given out last      [n]  ALIVE or DEAD, of thread n
//
// A parent gives its worker a number and writes DEAD when it has noticed the end. What a dead thread
// held in a shared primitive is given back by whoever waits for it.

import { shared } from "../registry.ts";
import { canShare } from "./transport.ts";

const ALIVE = 1;
const DEAD = 2;
const CAPACITY = 1 << 14;

/** This thread's place, whichever copy of this package was told. */
export const family = /* @__PURE__ */ shared("family", () => ({
  table: undefined as Int32Array | undefined,
  own: 1,
  /** The Web Lock this worker of a page holds while it lives. */
  lifeLock: undefined as string | undefined,
  /** This thread serves jobs of a parent: plain functions in it may block. */
  inWorker: false,
}));

/** In a worker: what its parent has said. */
export function joinFamily(given: Int32Array | undefined, id: number, lock: string | undefined): void {
  family.lifeLock = lock;
  family.table = given;
  family.own = id;
  family.inWorker = true;
}

export function familyTable(): Int32Array | undefined {
  if (family.table === undefined && canShare()) {
    family.table = new Int32Array(new SharedArrayBuffer(CAPACITY * 4));
    family.table[0] = family.own;
    family.table[family.own] = ALIVE;
  }
  return family.table;
}

/** Number of this thread, at least 1. */
export function ownId(): number {
  return family.own;
}

/** A number for a new worker; 0 when there is no shared memory or none is left. */
export function newMember(): number {
  const all = familyTable();
  if (all === undefined) return 0;
  const id = Atomics.add(all, 0, 1) + 1;
  if (id >= CAPACITY) return 0;
  Atomics.store(all, id, ALIVE);
  return id;
}

export function buryMember(id: number): void {
  if (id > 0 && family.table !== undefined) Atomics.store(family.table, id, DEAD);
}

export function isDead(id: number): boolean {
  return family.table !== undefined && id > 0 && Atomics.load(family.table, id) === DEAD;
}
