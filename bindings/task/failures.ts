// Failed tasks that nobody has asked about yet.
//
// Nothing is paid for a task that succeeds or is awaited. A task that fails unobserved is
// remembered here until somebody asks; it is reported, once, when its handle is disposed of
// or collected, when its runtime shuts down, or when the host's loop runs dry. So spawning many
// and awaiting them in order is safe, and a forgotten failure is not lost. A worker tells its parent, which
// reports it as one of its own, and asks before it ends.

import { onLoopDry, reportUnhandled } from "../host.ts";

interface Failure {
  readonly error: unknown;
  readonly owner: object;
}

const failures = new Map<number, Failure>();
let stopListening: (() => void) | undefined;
let collected: FinalizationRegistry<number> | undefined;
let report: (error: unknown) => void = reportUnhandled;
let onFirst: (() => void) | undefined;

/** In a worker. @param first called whenever there is a failure and was none before */
export function divertFailures(to: (error: unknown) => void, first: () => void): void {
  report = to;
  onFirst = first;
}

/** A task has failed, and nobody will ask. */
export function reportUnobserved(error: unknown): void {
  report(error);
}

/** Remembers that the task with this id failed with `error`. `owner` is its scheduler. */
export function addFailure(task: object, id: number, error: unknown, owner: object): void {
  collected ??= new FinalizationRegistry(reportFailure);
  stopListening ??= onLoopDry(() => reportFailures());
  if (failures.size === 0) onFirst?.();
  failures.set(id, { error, owner });
  collected.register(task, id, task);
}

/** Somebody asked: the failure is theirs now. */
export function forgetFailure(task: object, id: number): void {
  if (!failures.delete(id)) return;
  collected?.unregister(task);
  if (failures.size === 0) {
    stopListening?.();
    stopListening = undefined;
  }
}

/** Reports the failure of one task, if nobody has asked. */
export function reportFailure(id: number): void {
  const failure = failures.get(id);
  if (failure === undefined) return;
  failures.delete(id);
  report(failure.error);
}

/** Reports all that are left of one scheduler, or of all. */
export function reportFailures(owner?: object): void {
  for (const [id, failure] of failures) {
    if (owner === undefined || failure.owner === owner) reportFailure(id);
  }
}
