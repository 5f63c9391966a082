// What one thread of the guest knows: globals belong to the instance, and each thread has an instance of its own.

import { relax, replaceWord, storeWord } from "../sync";
import { NIL } from "./layout";

@external("host", "root") declare function hostRoot(): usize;
@external("host", "allocate") declare function hostAllocate(bytes: u32): usize;
@external("host", "free") declare function hostFree(address: usize, bytes: u32): void;
@external("host", "growTable") declare function hostGrowTable(fn: u32): i32;
@external("host", "nap") declare function hostNap(): void;
@external("host", "now") declare function hostNow(): f64;

/** What all threads share; 0 before the first call. */
export let root: usize = 0;
/** Function pointers end there. */
let limit: u32 = 0;
/** Whether this thread may wait: it is no page's main thread. */
export let mayBlock: bool = false;
/** The loop that this thread runs and its ring, or 0. One that frees a loop runs it without a ring. */
export let loop: usize = 0;
export let ring: usize = 0;
/** The task that it polls, or NIL (written out: an imported constant would make it a start function). */
export let running: i32 = -1;
/** Looks for tasks so far. */
export let ticks: u32 = 0;

/** This thread is about to use the guest's memory. */
export function meet(address: usize, functions: u32, blocks: bool): void {
  root = address;
  limit = functions;
  mayBlock = blocks;
  loop = ring = 0;
  running = NIL;
  ticks = 0;
}

export function setLimit(functions: u32): void {
  limit = functions;
}

/** Finds the memory, or makes it. */
export function isKnown(): bool {
  if (root == 0) root = hostRoot();
  return root != 0;
}

export function settle(home: usize, own: usize): void {
  loop = home;
  ring = own;
}

export function setRunning(task: i32): void {
  running = task;
}

export function tick(): u32 {
  return ++ticks;
}

/** Whether a pointer can be called: the table may have grown. */
export function isFunction(fn: u32): bool {
  return fn < limit || hostGrowTable(fn) != 0;
}

/** @returns 0 when there is no memory; not cleared */
export function allocate(bytes: u32): usize {
  return hostAllocate(bytes);
}

/** @returns zeros, or 0 when there is no memory */
export function allocateCleared(bytes: u32): usize {
  const address = hostAllocate(bytes);
  if (address != 0) memory.fill(address, 0, bytes);
  return address;
}

export function free(address: usize, bytes: u32): void {
  hostFree(address, bytes);
}

/** Milliseconds; those of other threads are a little before or after. */
export function clock(): f64 {
  return hostNow();
}

const SPINS = 100;

/** One round of waiting for what another thread is about to do. That may have been taken off its core: who may wait does, briefly. */
export function linger(rounds: i32): void {
  relax();
  if (rounds > SPINS && mayBlock) hostNap();
}

/** Held for a few instructions. */
export function lock(address: usize): void {
  for (let rounds = 0; !replaceWord(address, 0, 1); rounds++) linger(rounds);
}

export function unlock(address: usize): void {
  storeWord(address, 0);
}
