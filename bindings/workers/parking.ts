// How `blockOn()` waits for threads: without the event loop, on a word that workers increment after they have answered, or on
// the word at which something of this thread waits in a shared primitive.
//
// Messages are received without the event loop where the host can do that. In a page's worker it cannot: there it waits only while
// everything comes back through shared memory, and as soon as a worker has sent a message it stops, for nobody would read it.

import { receiveNow } from "../host.ts";
import { othersLive } from "./family.ts";

/** A pool that has jobs out. */
export interface Pumped {
  readonly canRouse: boolean;
  /** Whether what is out comes back without messages. */
  readonly needsNoMessages: boolean;
  pump(): void;
}

/** A wait in a shared primitive. */
export interface WaitingAtWord {
  readonly words: Int32Array;
  readonly cell: number;
  /** What the word says while there is nothing to do. */
  readonly idle: number;
  /** Another thread may change it. */
  readonly isAnsweredElsewhere: boolean;
  /** Wakes its task if it has come, else looks whether somebody has died. */
  look(): void;
}

const active = new Set<Pumped>();
const atWords = new Set<WaitingAtWord>();
let parentWord: Int32Array | undefined;

/** Milliseconds for which one of several words is waited for, and for which a single one is. */
const SHORT_NAP = 1;
const LONG_NAP = 50;

/** Messages, answers in shared memory and deaths that have come, on this thread. */
let received = 0;

export function noteReceived(): void {
  received++;
}

export function setActive(pool: Pumped, isActive: boolean): void {
  if (isActive) active.add(pool);
  else active.delete(pool);
}

export function setWaitingAtWord(wait: WaitingAtWord, isWaiting: boolean): void {
  if (isWaiting) atWords.add(wait);
  else atWords.delete(wait);
}

/** Another thread may have an answer for this one: a pool of whichever runtime has jobs out, or something waits in a shared primitive that is known elsewhere. */
export function awaitsAnswer(): boolean {
  return active.size > 0 || waitsAtWord();
}

/** There is another thread, or soon will be: what was sent may be run on this one. */
export function isAnybodyThere(): boolean {
  return active.size > 0 || othersLive();
}

function waitsAtWord(): boolean {
  if (isAnybodyThere()) for (const wait of atWords) if (wait.isAnsweredElsewhere) return true;
  return false;
}

/** Wakes whose word has changed, by a task of this thread perhaps. */
export function lookAtWords(): void {
  for (const wait of [...atWords]) wait.look();
}

/**
 * Two words: workers increment the first after they have answered, and a parked parent waits on it; the second is 1 while it does,
 * for to notify nobody costs a worker more than a small job.
 */
export function getParentWord(): Int32Array {
  parentWord ??= new Int32Array(new SharedArrayBuffer(8));
  return parentWord;
}

/** In a worker: says that it has answered. */
export function notifyParent(word: Int32Array): void {
  Atomics.add(word, 0, 1);                                  // before the look; pairs with the store in park()
  if (Atomics.load(word, 1) !== 0) Atomics.notify(word, 0);
}

/** Blocks until the first word is no longer `seen`, at most `ms`. */
function park(seen: number, ms: number): void {
  const word = getParentWord();
  Atomics.store(word, 1, 1);                                // before the wait looks at the first word
  Atomics.wait(word, 0, seen, ms);
  Atomics.store(word, 1, 0);
}

/** Sends and receives for every pool of this thread, without the event loop. False when nothing could come back so. */
export function pumpPools(): boolean {
  let canPark = waitsAtWord();
  for (const pool of active) {
    pool.pump();
    if (!pool.canRouse) continue;
    if (receiveNow !== undefined || pool.needsNoMessages) canPark = true;
    else return false;                                     // what else comes may depend on what this one has to say
  }
  return canPark;
}

/** Blocks until a worker answers or a shared primitive does, at most `ms`; not when something has come meanwhile. */
export function parkForAnswers(ms: number): void {
  const before = received;
  const seen = Atomics.load(getParentWord(), 0);            // before the look: an answer after it changes the word
  pumpPools();
  if (received === before) {
    const waits = [...atWords].filter((wait) => wait.isAnsweredElsewhere);
    const [first] = waits;
    if (first === undefined) park(seen, ms);
    else if (waits.length === 1 && active.size === 0) Atomics.wait(first.words, first.cell, first.idle, Math.min(ms, LONG_NAP));
    else if (Atomics.load(first.words, first.cell) === first.idle) park(seen, Math.min(ms, SHORT_NAP));
  }
  lookAtWords();
  pumpPools();
}
