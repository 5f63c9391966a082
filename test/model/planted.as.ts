// Programs with bugs that the explorer must find, and without them, in which it must find nothing.

import { loadWord, notifyWord, relax, replaceWord, storeWord, waitWord } from "../../assembly/sync";

const HEAD: usize = 1024;
const TAIL: usize = 1028;
const SLOTS: usize = 1040;
const FLAG: usize = 1100;
const PARKED: usize = 1104;
const LOCK: usize = 1108;
const COUNT: usize = 1112;

// A queue of four with one producer and several takers.

export function push(value: u32): void {
  const tail = loadWord(TAIL);
  storeWord(SLOTS + ((tail & 3) << 2), value);
  storeWord(TAIL, tail + 1);
}

export function take(): u32 {
  while (true) {
    const head = loadWord(HEAD);
    if (head === loadWord(TAIL)) return 0;
    const value = loadWord(SLOTS + ((head & 3) << 2));
    if (replaceWord(HEAD, head, head + 1)) return value;
  }
}

/** Bug: two takers can read the same head. */
export function takeTwice(): u32 {
  const head = loadWord(HEAD);
  if (head === loadWord(TAIL)) return 0;
  const value = loadWord(SLOTS + ((head & 3) << 2));
  storeWord(HEAD, head + 1);
  return value;
}

// A sleeper and a waker.

export function raise(): void {
  storeWord(FLAG, 1);
  if (loadWord(PARKED) === 1 && replaceWord(PARKED, 1, 2)) notifyWord(PARKED);
}

export function sleepUntilRaised(): void {
  while (true) {
    storeWord(PARKED, 1);
    if (loadWord(FLAG) !== 0) return;
    waitWord(PARKED, 1, -1);
  }
}

/** Bug: looks before it says that it sleeps. */
export function sleepTooEarly(): void {
  while (loadWord(FLAG) === 0) {
    storeWord(PARKED, 1);
    waitWord(PARKED, 1, -1);
  }
}

// A spin lock around a counter.

export function countLocked(): void {
  while (!replaceWord(LOCK, 0, 1)) relax();
  storeWord(COUNT, loadWord(COUNT) + 1);
  storeWord(LOCK, 0);
}

export function count(): u32 {
  return loadWord(COUNT);
}

/** Bug: no lock. */
export function countUnlocked(): void {
  storeWord(COUNT, loadWord(COUNT) + 1);
}
