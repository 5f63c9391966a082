// Addresses in the memory of a pool. The instance keeps its geometry, which is the same for all threads of a pool.

import {
  INJECTOR_FACTOR, POOL_INJECTOR, POOL_THREADS, RECORD_BYTES, THREAD_BYTES, THREAD_MAILBOX, THREAD_SCRATCH, THREAD_STATE,
} from "./pool-layout";

let pool: usize = 0;
/** Threads, the owner of the pool included. */
let threads: u32 = 0;
/** Each thread has 1 << slots records. */
let slots: u32 = 0;
let injectorBits: u32 = 0;

export function setMap(base: u32, threadCount: u32, slotBits: u32): void {
  pool = base;
  threads = threadCount;
  slots = slotBits;
  injectorBits = 32 - clz<u32>((threadCount << slotBits) * INJECTOR_FACTOR - 1);
}

export function threadCount(): u32 {
  return threads;
}

export function slotCount(): u32 {
  return 1 << slots;
}

export function ownerOf(record: u32): u32 {
  return record >> slots;
}

export function threadPtr(thread: u32): usize {
  return pool + POOL_THREADS + <usize>thread * THREAD_BYTES;
}

export function statePtr(thread: u32): usize {
  return threadPtr(thread) + THREAD_STATE;
}

export function scratchPtr(thread: u32): usize {
  return threadPtr(thread) + THREAD_SCRATCH;
}

export function mailboxPtr(thread: u32): usize {
  return threadPtr(thread) + THREAD_MAILBOX;
}

export function mailboxCells(thread: u32): usize {
  return threadPtr(threads) + (<usize>thread << (slots + 2));
}

export function mailboxMask(): u32 {
  return (1 << slots) - 1;
}

export function injectorPtr(): usize {
  return pool + POOL_INJECTOR;
}

export function injectorCells(): usize {
  return mailboxCells(threads);
}

export function injectorMask(): u32 {
  return (1 << injectorBits) - 1;
}

export function recordPtr(record: u32): usize {
  return injectorCells() + (<usize>4 << injectorBits) + <usize>record * RECORD_BYTES;
}
