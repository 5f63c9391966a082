// What goes wrong with a guest, as errors.

import { ContextError, OptionError, TokiwaError } from "../errors.ts";
import { show } from "../options.ts";
import { TK_ECLOSED, TK_ENOMEM } from "./codes.ts";

export function closedError(label: string): ContextError {
  return new ContextError("TOKIWA_DETACHED", `${label} was detached: attach it again to run it`);
}

export function tooManyStacks(label: string, limit: number): TokiwaError {
  return new TokiwaError("TOKIWA_TOO_MANY_STACKS", `${label} has ${limit} stacks in use, which is the limit (maxStacks): join some tasks first, or use poll tasks (tk_spawn), which need none.`);
}

/** Why a task was not started. */
export function startError(label: string, fn: number, code: number): Error {
  if (code === TK_ECLOSED) return closedError(label);
  if (code === TK_ENOMEM) return new TokiwaError("TOKIWA_OUT_OF_MEMORY", `the core's memory cannot grow to hold another task of ${label}`);
  return new OptionError(`fn must be a function pointer of ${label} (a place in its table, not 0), got ${show(fn)}`);
}

/** @param what trapped */
export function trapError(label: string, what: string, cause: unknown): TokiwaError {
  if (cause instanceof TokiwaError) return cause;
  return new TokiwaError("TOKIWA_GUEST_TRAP", `${what} of ${label} trapped: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : show(cause)}. It has ended; the guest's other tasks go on.`, { cause });
}
