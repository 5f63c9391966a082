// What may be in a message of a shared channel and in the value of a shared mutex: these are copied as bytes, and whoever takes one
// out later has nobody to ask. So what is shared has to be passed as an argument, and a copy that looks like it, and
// is connected with nothing, is not made.
//
// A Uint8Array that is a message by itself is sent as its bytes, wherever they lie, and is not looked at: to ask a small
// one for its buffer costs several times what it costs to send it.

import { TokiwaError } from "../errors.ts";
import { notCloneable, PACK } from "../workers/sendable.ts";

function refuse(what: string, instead: string): never {
  throw new TokiwaError("TOKIWA_NOT_CLONEABLE", `${what} cannot be in a message of a shared channel or in the value of a SharedMutex, which are copies: ${instead}.`);
}

function isSharedMemory(value: unknown): boolean {
  return typeof SharedArrayBuffer === "function" && value instanceof SharedArrayBuffer;
}

function isFlat(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || isSharedMemory(value);
}

function checkOne(value: object): void {
  if (PACK in value) refuse("a shared primitive", "pass it to the other thread as an argument");
  if (isSharedMemory(ArrayBuffer.isView(value) ? value.buffer : value)) refuse("shared memory", "pass it to the other thread as an argument, or send a copy made with slice()");
}

/** @throws {TokiwaError} `TOKIWA_NOT_CLONEABLE` when something shared is in what is to be copied */
export function checkCopied(value: unknown): void {
  if (typeof value === "object" && value !== null) check(value, undefined);
}

/** @param given what was seen on the way here; most values have nothing inside, and need no such set */
function check(value: object, given: Set<object> | undefined): void {
  checkOne(value);
  if (isFlat(value)) return;
  let seen = given;
  const look = (part: unknown): void => {
    if (typeof part !== "object" || part === null) return;
    seen ??= new Set([value]);
    if (seen.has(part)) return;
    seen.add(part);
    check(part, seen);
  };
  if (value instanceof Map) {
    for (const [key, part] of value) {
      look(key);
      look(part);
    }
  } else if (value instanceof Set || Array.isArray(value)) for (const part of value) look(part);
  else for (const key of Object.keys(value)) look((value as Record<string, unknown>)[key]);
}

/** A copy without shared memory, as a thread's home keeps it. @throws {TokiwaError} `TOKIWA_NOT_CLONEABLE` */
export function copied<T>(value: T): T {
  checkCopied(value);
  try {
    return structuredClone(value);
  } catch (cause) {
    throw notCloneable("the value", cause);
  }
}
