// Who lives: one table for all threads that descend from one another, in shared memory.
//
//   [0]   the number given out last      [n]  ALIVE or DEAD, of thread n
//
// A parent gives its worker a number and writes DEAD when it has noticed the end. What a dead thread
// held in a shared primitive is given back by whoever waits for it.

import { canShare } from "./transport.ts";

const ALIVE = 1;
const DEAD = 2;
const CAPACITY = 1 << 14;

let table: Int32Array | undefined;
let own = 1;

/** In a worker: what its parent has said. */
export function joinFamily(given: Int32Array | undefined, id: number, lock: string | undefined): void {
  lifeLock = lock;
  table = given;
  own = id;
  inWorker = true;
}

/** The Web Lock this worker of a page holds while it lives. */
export let lifeLock: string | undefined;

/** This thread serves jobs of a parent: plain functions in it may block. */
export let inWorker = false;

export function familyTable(): Int32Array | undefined {
  if (table === undefined && canShare()) {
    table = new Int32Array(new SharedArrayBuffer(CAPACITY * 4));
    table[0] = own;
    table[own] = ALIVE;
  }
  return table;
}

/** Number of this thread, at least 1. */
export function ownId(): number {
  return own;
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
  if (id > 0 && table !== undefined) Atomics.store(table, id, DEAD);
}

export function isDead(id: number): boolean {
  return table !== undefined && id > 0 && Atomics.load(table, id) === DEAD;
}
