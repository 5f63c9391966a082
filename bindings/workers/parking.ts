// How `blockOn()` waits for threads: without the event loop, on a word that workers increment after they have answered.

import { receiveNow } from "./start.ts";

/** A pool that has jobs out. */
export interface Pumped {
  readonly canRouse: boolean;
  pump(): void;
}

const active = new Set<Pumped>();
let parentWord: Int32Array | undefined;

/** Messages and deaths that have come, on this thread. */
let received = 0;

export function noteReceived(): void {
  received++;
}

export function setActive(pool: Pumped, isActive: boolean): void {
  if (isActive) active.add(pool);
  else active.delete(pool);
}

/** Incremented by workers after they have answered; a parked parent waits on it. */
export function getParentWord(): Int32Array {
  parentWord ??= new Int32Array(new SharedArrayBuffer(4));
  return parentWord;
}

/** Sends and receives for every pool of this thread, without the event loop. False when this host cannot receive so. */
export function pumpPools(): boolean {
  if (receiveNow === undefined) return false;
  let canPark = false;
  for (const pool of active) {
    if (!pool.canRouse) continue;
    canPark = true;
    pool.pump();
  }
  return canPark;
}

/** Blocks until a worker answers, at most `ms`; not when something has come meanwhile. */
export function parkForAnswers(ms: number): void {
  const before = received;
  const seen = Atomics.load(getParentWord(), 0);            // before the look: an answer after it changes the word
  pumpPools();
  if (received === before) Atomics.wait(getParentWord(), 0, seen, ms);
  pumpPools();
}
