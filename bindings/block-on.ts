// blockOn(): runs an engine on this thread until a main is done, parking between timers where the thread may block.

import { currentEngine, deadlock, Engine, taken } from "./engine.ts";
import { ContextError, WouldBlockError } from "./errors.ts";
import { context, type Future, isFuture, type TaskFn } from "./future.ts";
import { mayBlock, mayPark } from "./host.ts";
import { checkFunction } from "./options.ts";
import { Parker } from "./park.ts";
import type { CurrentThread } from "./scheduler/current-thread.ts";
import { Root } from "./scheduler/root.ts";
import { Lazy } from "./task/lazy.ts";
import { currentScope } from "./task/scope.ts";
import { family, nesting } from "./workers/family.ts";
import { installedThreads } from "./workers/seam.ts";

/** See `Runtime.blockOn()`. */
export function blockOn<T>(engine: Engine, main: TaskFn<[], T> | Future<T>): T {
  if (!isInside()) {
    if (engine.scheduler.isDriving) throw nested("blockOn()");
    return runHere(engine, main, false);
  }
  if (!family.mayNest) throw nested("blockOn()");
  if (engine.scheduler.isDriving) throw nested("blockOn()", "This thread may block, but the runtime whose task does cannot go on meanwhile: make one for it, new Runtime().blockOn(main).");
  return nesting(false, () => runHere(engine, main, true));
}

/** Whether a task runs on this thread, or a main. */
function isInside(): boolean {
  return context.unit !== null || currentScope() !== null;
}

function runHere<T>(engine: Engine, main: TaskFn<[], T> | Future<T>, isNested: boolean): T {
  const { scheduler } = engine;
  engine.checkOpen();
  const body = isFuture(main) ? taken(main) : new Lazy(checkFunction("main", main), [], true);
  const root = new Root(scheduler, body);
  scheduler.addRoot(root);
  while (!root.isDone) {
    scheduler.drive(Infinity, Infinity, root);
    if (root.isDone || scheduler.isReady) continue;
    if (!(body instanceof Lazy && body.isAsync) && (waitForThreads(scheduler) || waitForTimer(scheduler))) continue;
    root.fail(stuck(body, scheduler, isNested));
  }
  if (!scheduler.isClosed) scheduler.drive(0, 0);        // leaves timers of what still runs armed, and no others
  if (root.isFailed) throw root.outcome;
  return root.outcome as T;
}

/** Waits for an answer of a thread, or in a shared primitive, at most until the next timer. False when nothing is out there, or this thread may not block. */
function waitForThreads(scheduler: CurrentThread): boolean {
  const provider = installedThreads();
  if (provider === undefined || !mayBlock) return false;
  provider.lookAtWords();
  if (scheduler.isReady) return true;
  const isWaiting = (): boolean => scheduler.busyElsewhere > 0 || provider.awaitsAnswer();
  if (!isWaiting() || !provider.pump()) return false;
  if (scheduler.isReady || !isWaiting()) return true;      // it has come meanwhile
  provider.park(scheduler.clock.isPaused ? Infinity : Math.max(0, scheduler.nextTick - scheduler.clock.now()));
  return true;
}

/** Waits for the next timer. False when there is none, or this thread may not block. */
function waitForTimer(scheduler: CurrentThread): boolean {
  if (scheduler.clock.isPaused) return scheduler.jump();
  const next = scheduler.nextTick;
  if (next === Infinity || !mayPark) return false;
  parker ??= new Parker();
  const ms = next - scheduler.clock.now();
  if (ms > 0) parker.park(ms);
  return true;
}

function stuck(main: Future<unknown>, scheduler: CurrentThread, isNested: boolean): Error {
  const isWaitingForHost = scheduler.hostPending > 0 || scheduler.busyElsewhere > 0;
  if (isWaitingForHost) {
    return new WouldBlockError(
      "blockOn() cannot wait here: what is left to do needs the host's event loop (a promise, a socket, an async function, a thread that answers by a message), which cannot run while this thread waits. Use run() and await it; a Wasm guest can wait with JSPI.",
    );
  }
  if (scheduler.nextTick !== Infinity) {
    return new WouldBlockError(
      "blockOn() cannot wait here: a timer is pending and this thread may not block (a page, or a service worker). Use run() and await it, call runtime.drive() from your own loop, or use JSPI in a Wasm guest.",
    );
  }
  if (isNested) {
    const { message } = deadlock("blockOn()", main, scheduler);
    return new WouldBlockError(`${message}\nOr what could do that belongs to another runtime of this thread: one that waits for the job in which blockOn() was called.`);
  }
  return deadlock("blockOn()", main, scheduler);
}

let parker: Parker | undefined;

/**
 * Runs the current runtime on this thread until `future` is ready.
 *
 * @param what the public name of the call, for messages: `blockingLock()`
 * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
 */
export function blockFor<T>(what: string, future: Future<T>): T {
  if (!isInside()) return runHere(currentEngine(), future, false);
  if (!family.mayNest) throw nested(what);
  spare ??= new Engine();
  return nesting(false, () => runHere(spare as Engine, future, true));
}

/** What drives a blocking call inside of a job: futures of this package alone, which spawn nothing. */
let spare: Engine | undefined;

function nested(what: string, advice = "Await the future, or use spawnBlocking()."): ContextError {
  return new ContextError("TOKIWA_NESTED_RUNTIME", `cannot start a runtime from within a runtime: ${what} was called inside a task, and would hold the thread that drives it. ${advice}`);
}
