// What travels between a parent and its worker: the one place where messages are declared.
//
// Everything goes through a private MessagePort, in batches: what is queued in one turn is one message, and
// so are the answers. These two are flat arrays, because a clone pays for each object and each name in it; all others are objects.
//
//   jobs     [count, hungry, definitions, run*]    hungry: see there; definitions: of functions that are new to the worker, or undefined
//     run    [definition, arity, id, count, ...args of each]     arity < 0: -arity - 1 arguments, some of which are shared primitives
//   answers  [started, run*]                       started: jobs so far
//     run    [status, micros, id, count, ...values]     status as in `Status`; micros: what it held the worker for, or the generation of records
//
// The jobs of a run have successive numbers from id on.
//
// With shared memory small jobs take another way altogether (shared-jobs.ts); what follows is for those that do not fit there.
// Each link has control words. CLAIM makes unstarted jobs take-back-able:
//
//   CLAIM   u32  [ tail : u16 | head : u16 ]   head: started so far, the worker moves it; tail: delivered so far, the
//                                              parent moves it, also back. head == tail: nothing may be started.
//                                              Both compare-and-swap the whole word, so a job is either started or taken back.
//   DEAD    u32  1 once a worker of Node has exited: for a parent that is parked and sees no event
//   SENT    u32  messages of the worker so far: for a parent that blocks and could not receive them
//   MAIL    u32  messages to the worker so far: one that has not received them all does not block its event loop

import type { PackedError } from "./errors-wire.ts";
import type { ShareState } from "./share.ts";

export const CLAIM = 0;
export const DEAD = 1;
export const MAIL = 2;
export const SENT = 3;
export const CONTROL_WORDS = 16;

/** Where the runs begin. */
export const JOBS_START = 3;
export const ANSWERS_START = 1;

/** Numbers before the values of a run of jobs, and of answers. */
export const JOB_HEADER = 4;
export const ANSWER_HEADER = 4;

/** Jobs that may be delivered and not started: head and tail are 16 bits. */
export const MAX_WINDOW = 4096;

export const FULFILLED = 0;
export const REJECTED = 1;
export const CANCELLED = 2;
/** Fulfilled with a shared primitive inside. */
export const FULFILLED_SHARED = 3;
export type Status = 0 | 1 | 2 | 3;

/**
 * Reads the runs of answers.
 *
 * @param at where they begin
 * @param take told the second number of the run, see above, and where the value lies
 */
export function eachAnswer(answers: readonly unknown[], at: number, take: (id: number, status: Status, detail: number, value: unknown, at: number) => void): void {
  while (at < answers.length) {
    const [status, detail, first, count] = answers.slice(at, at + ANSWER_HEADER) as [Status, number, number, number];
    at += ANSWER_HEADER;
    for (let i = 0; i < count; i++, at++) take(first + i, status, detail, answers[at], at);
  }
}

/** Functions of one worker that others may come to know. */
export const DEFINITIONS_EACH = 1 << 14;

/**
 * Numbers of functions: below are those of the thread that owns the pool, from here on those of the worker in this place. Whoever comes into
 * the place of a dead one uses them again, for the others have forgotten them by then (`gone`).
 */
export function firstDefinitionOf(thread: number): number {
  return (1 << 30) + thread * DEFINITIONS_EACH;
}

/** Whether the worker in this place has defined the function with this number. */
export function isDefinedBy(thread: number, id: number): boolean {
  const first = firstDefinitionOf(thread);
  return id >= first && id < first + DEFINITIONS_EACH;
}

interface Numbered {
  readonly id: number;
  readonly name: string;
  /** Behind the arguments of a job comes the name of its task. So jobs without one pay nothing for it. */
  readonly takesTaskName?: boolean;
}

/** How a worker finds a function. */
export type Definition = Numbered &
  (
    | { readonly kind: "source"; readonly source: string }
    /** The body of a function with these parameters, for execJs(). */
    | { readonly kind: "body"; readonly source: string; readonly parameters: string[]; readonly isAsync: boolean }
    | { readonly kind: "module"; readonly url: string }
    | { readonly kind: "exposed" }
  );

/** The first message to a worker, on its global; all others take the port. */
export interface StartMessage {
  readonly tokiwa: "start";
  readonly port: MessagePort;
  readonly name: string;
  readonly index: number;
  /** Whether jobs are started one at a time, each only when the one before has ended. */
  readonly isSerial: boolean;
  /** Whether `spawn(sendable)` in there may run on another worker of the pool. */
  readonly sharesJobs: boolean;
  readonly control: Int32Array | undefined;
  /** For a parent that parks, see parking.ts. */
  readonly parentWord: Int32Array | undefined;
  /** How this worker was started, so that workers of its own can be. */
  readonly origin: WorkerOrigin;
  /** The Web Lock that is held while the worker lives; pages only. */
  readonly lock: string | undefined;
  /** The compiled core of runtimes, where it can be posted. */
  readonly core: WebAssembly.Module | undefined;
  /** Who lives, and which number this worker has (family.ts). */
  readonly family: SharedArrayBuffer | undefined;
  readonly member: number;
  /** The memory that the pool's threads share work in, and which of them this is. */
  readonly share: ShareState | undefined;
  readonly thread: number;
  /** What the pool's threads have defined. */
  readonly definitions: Definition[] | undefined;
  /** A JavaScript or Wasm module whose exports can be called by name. */
  readonly module: ArrayBuffer | undefined;
  /** With "shutdown" it tells of failures at once. */
  readonly unhandledFailure: "report" | "ignore" | "shutdown";
}

export type WorkerOrigin = { readonly kind: "url"; readonly url: string } | { readonly kind: "source"; readonly source: string } | { readonly kind: "factory" };

/** Parent to worker. */
export type ToWorker =
  | /** Jobs. */ unknown[]
  /** `generation` is 0 for a job that was delivered, else that of the record `id`. */
  | { readonly k: "abort"; readonly id: number; readonly generation: number; readonly reason: PackedError }
  | { readonly k: "recall"; readonly count: number }
  /** How many workers have nothing to do; only for one that is crowded. */
  | { readonly k: "hungry"; readonly count: number }
  | { readonly k: "define"; readonly definitions: Definition[] }
  /** Outcomes of jobs in records that do not fit into them. */
  | { readonly k: "results"; readonly answers: unknown[] }
  | { readonly k: "wake" }
  /** The worker in this place has died: what it had ended without telling can be read in the records, and its functions are no more. */
  | { readonly k: "gone"; readonly thread: number }
  /** To be answered when all that it has printed was received; what has failed unobserved is told before. */
  | { readonly k: "flush" }
  /** Of jobs it has offered. */
  | { readonly k: "answers"; /** As answers above. */ readonly answers: unknown[] };

/** Worker to parent. */
export type ToParent =
  | { readonly k: "ready"; /** Whether it has got the Web Lock that tells of its end. */ readonly holdsLock: boolean }
  | /** Answers. */ unknown[]
  | { readonly k: "recalled"; readonly ids: number[] }
  /** Each of `jobs`: id, definition, arity, ...args. `transfers`: what has to be moved on with them, by id. */
  | { readonly k: "offer"; readonly definitions: Definition[] | undefined; readonly jobs: unknown[]; readonly transfers: Map<number, Transferable[]> | undefined }
  | { readonly k: "abort"; readonly id: number; readonly generation: number; readonly reason: PackedError }
  | { readonly k: "define"; readonly definitions: Definition[] }
  | { readonly k: "results"; readonly to: number; readonly answers: unknown[] }
  /** Where a thread cannot wake another by a word: the parent does it by a message. */
  | { readonly k: "wake"; readonly thread: number }
  /** It begins to print, or tasks of its own have failed and nobody has asked: to be asked before it ends, see output.ts. */
  | { readonly k: "prints" }
  /** A task of its own has failed, and nobody will ask. */
  | { readonly k: "unobserved"; readonly error: PackedError }
  /** Whether tasks of its own go on, although no job is here: they keep the process alive. */
  | { readonly k: "goesOn"; readonly goesOn: boolean }
  | { readonly k: "flushed" }
  /** Of a page's worker that holds no lock: it has called close(). */
  | { readonly k: "closes" }
  /**
   * With shared memory: it has queued jobs, everyone is busy, and some workers have not been started. With messages: whether it has jobs
   * to give away, and wants to know who has nothing to do.
   */
  | { readonly k: "crowded"; readonly isCrowded: boolean };
