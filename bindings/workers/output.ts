// What workers have to say before the end: what they have printed, and which tasks have failed unobserved.
//
// In Node the stdout of a worker is a stream whose bytes go as messages to the thread that has started it, what is written second only
// when the first was received, and these messages keep no process alive. So a worker says when it begins to print, before
// it does, and its parent waits for its output where it would be lost: when its own event loop has run dry, and when it
// ends the worker. Other hosts print from the worker itself.

import { builtinModule, holdDryLoop, type HostTimer, monotonicNow, nodeMajor, startTimer, stopTimer } from "../host.ts";

/** A worker that could print is waited for so long, in ms: something may hold it for ever. */
const WAIT = 1000;
/** As that, at least: who is not held has answered by then. */
const MOMENT = 20;
/** A timer that is later than this, in ms, says that this thread itself was held. */
const HELD = 100;
/** How often a worker looks whether its output was received, in ms. */
const LOOK = 1;

/** A worker, for its parent. */
export interface Printer {
  /** Receives what it has sent. Whether tasks of its own go on: then the event loop has not run dry. */
  readonly goesOn: boolean;
  /** Receives what it has sent. @returns whether it may have printed since it was last asked to say when that was received */
  mayHavePrinted(): boolean;
  /** Asks it. Its answer calls `done`, and so does its death. */
  askForOutput(done: () => void): void;
}

interface Output {
  readonly writableLength: number;
  readonly destroyed: boolean;
}
type Outputs = Record<"stdout" | "stderr", Output>;

const printers = new Set<Printer>();
const waits = new Map<Printer, Promise<void>>();
let stopHolding: (() => void) | undefined;
let tellParent: (() => void) | undefined;

/** From its start on, until removePrinter(). */
export function addPrinter(printer: Printer): void {
  tellParent?.();                                          // what it prints, this thread prints
  if (printers.add(printer).size === 1) stopHolding = holdDryLoop(awaitsOutput);
}

export function removePrinter(printer: Printer): void {
  if (printers.delete(printer) && printers.size === 0) stopHolding?.();
}

/** The event loop has run dry: begins to wait for those that may have printed. @returns whether anybody is waited for, or goes on */
function awaitsOutput(): boolean {
  if (Array.from(printers, (printer) => printer.goesOn).includes(true)) return true;
  for (const printer of printers) void outputOf(printer);
  return waits.size > 0;
}

/**
 * Resolves when all that a worker has printed was received, or when it does not answer. Undefined when it has printed nothing.
 *
 * @param due until when to wait at most, on `monotonicNow()`; a moment is always waited
 */
export function outputOf(printer: Printer, due: number = Infinity): Promise<void> | undefined {
  let wait = waits.get(printer);
  if (wait === undefined && printers.has(printer) && printer.mayHavePrinted()) {
    wait = answerOf(printer).then(() => void waits.delete(printer));
    waits.set(printer, wait);
  }
  return wait === undefined || due === Infinity ? wait : atMost(wait, due);
}

/** Resolves when `wait` is over, or a moment after `due` at the latest. */
export function atMost(wait: Promise<void>, due: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = startTimer(resolve, Math.max(due - monotonicNow(), MOMENT));
    const end = (settle: () => void): void => {
      stopTimer(timer);
      settle();
    };
    wait.then(() => end(resolve), (error: unknown) => end(() => reject(error)));
  });
}

/** Keeps the process alive meanwhile. */
function answerOf(printer: Printer): Promise<void> {
  return new Promise((resolve) => {
    let timer: HostTimer;
    const begin = (): void => {
      const due = monotonicNow() + WAIT;
      timer = startTimer(() => (monotonicNow() - due > HELD ? begin() : resolve()), WAIT);
    };
    begin();
    printer.askForOutput(() => {
      stopTimer(timer);
      resolve();
    });
  });
}

/** In a worker: calls `tell` before this thread prints for the first time. */
export function watchOutput(tell: () => void): void {
  if (nodeMajor === 0) return;
  tellParent = () => {
    tellParent = undefined;
    tell();
  };
  const process = processOfNode();
  for (const name of ["stdout", "stderr"] as const) {
    const property = Object.getOwnPropertyDescriptor(process, name);
    if (property?.get === undefined || property.configurable !== true) return tellParent();      // somebody else has replaced it
    Object.defineProperty(process, name, {
      ...property,
      get(): Output {
        Object.defineProperty(process, name, property);
        tellParent?.();
        return process[name];
      },
    });
  }
}

/** In a worker: resolves when the parent has received everything that this thread and its own workers have printed. */
export async function ownOutput(): Promise<void> {
  await Promise.all(Array.from(printers, (printer) => outputOf(printer)));
  if (nodeMajor === 0) return;
  const process = processOfNode();
  for (const name of ["stdout", "stderr"] as const) {
    const stream = process[name];
    while (stream.writableLength > 0 && !stream.destroyed) await new Promise<void>((resolve) => startTimer(resolve, LOOK));
  }
}

function processOfNode(): Outputs {
  return builtinModule<Outputs>("node:process")!;
}
