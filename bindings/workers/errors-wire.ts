// Errors between threads. structuredClone loses class, name, code and own properties, so
// errors travel as plain records and are rebuilt from a fixed table of classes.
//
// A class is never looked up by a name that came over the wire in any other place than the table, and
// properties are defined, not assigned: `__proto__` among them is a property like any other.

import {
  AcquireError,
  ContextError,
  DeadlockError,
  JoinError,
  LaggedError,
  OptionError,
  RecvError,
  SendError,
  SendTimeoutError,
  SetError,
  TimeoutError,
  TokiwaError,
  TryAcquireError,
  TryLockError,
  TryRecvError,
  TrySendError,
  WouldBlockError,
} from "../errors.ts";
import { checkFunction, show } from "../options.ts";

/** What was thrown, ready for postMessage. */
export type PackedError =
  | { readonly isError: false; readonly value: unknown }
  | {
      readonly isError: true;
      readonly className: string;
      readonly name: string | undefined;
      readonly message: string;
      readonly stack: string | undefined;
      readonly cause: PackedError | undefined;
      readonly errors: PackedError[] | undefined;
      readonly props: [string, unknown][];
    };

type ErrorClass = abstract new (...args: never[]) => Error;

const classes = new Map<string, ErrorClass>();
const names = new Map<unknown, string>();

function enter(name: string, errorClass: ErrorClass): void {
  classes.set(name, errorClass);
  names.set(errorClass.prototype, name);
}

const BUILT_IN: Record<string, ErrorClass> = { Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError };
const OWN: Record<string, ErrorClass> = {
  TokiwaError,
  AcquireError,
  ContextError,
  DeadlockError,
  JoinError,
  LaggedError,
  OptionError,
  RecvError,
  SendError,
  SendTimeoutError,
  SetError,
  TimeoutError,
  TryAcquireError,
  TryLockError,
  TryRecvError,
  TrySendError,
  WouldBlockError,
};

function fillTable(): void {
  if (classes.size > 0) return;
  for (const [name, errorClass] of Object.entries(BUILT_IN)) enter(name, errorClass);
  for (const [name, errorClass] of Object.entries(OWN)) enter(name, errorClass);
  const { RuntimeError, CompileError, LinkError } = WebAssembly;
  for (const [name, errorClass] of Object.entries({ RuntimeError, CompileError, LinkError })) enter(`WebAssembly.${name}`, errorClass);
}

/** A DOMException (AbortError, DataCloneError and others of the host) has its name and code from its constructor only. */
const DOM_EXCEPTION = "DOMException";

/** Causes of causes that are sent; what is deeper is dropped. */
const MAX_DEPTH = 8;
const STANDARD = new Set(["stack", "message", "cause", "errors"]);

/**
 * Lets a class of errors keep its class across threads. Call it on both sides, in the parent and in the module that the worker runs.
 *
 * Instances are rebuilt without calling the constructor: own properties are copied.
 *
 * @throws {OptionError} when it is no class of errors, or another class has its name
 */
export function registerError(errorClass: new (...args: never[]) => Error): void {
  fillTable();
  checkFunction("errorClass", errorClass);
  if (!(errorClass.prototype instanceof Error)) throw new OptionError(`errorClass must extend Error, got ${show(errorClass)}`);
  const known = classes.get(errorClass.name);
  if (known !== undefined && known !== errorClass) throw new OptionError(`errorClass must have a name of its own, got another class named ${show(errorClass.name)}`);
  enter(errorClass.name, errorClass);
}

function canClone(value: unknown): boolean {
  if (typeof value === "function" || typeof value === "symbol") return false;
  if (typeof value !== "object" || value === null) return true;
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** The nearest class of its own that is in the table. */
function classNameOf(error: Error): string {
  if (typeof DOMException === "function" && error instanceof DOMException) return DOM_EXCEPTION;
  for (let p: unknown = Object.getPrototypeOf(error); p !== null; p = Object.getPrototypeOf(p)) {
    const found = names.get(p) ?? nameOfCopy(p, error);
    if (found !== undefined) return found;
  }
  return "Error";
}

/** Never throws: of a proxy whose traps do, it says that. */
export function packError(error: unknown, depth = 0): PackedError {
  fillTable();
  try {
    return pack(error, depth);
  } catch (cause) {
    const said = typeof cause === "string" || typeof cause === "number" ? `: ${cause}` : "";
    return pack(new TokiwaError("TOKIWA_NOT_CLONEABLE", `the task threw something that cannot be looked at${said}`), depth);
  }
}

function pack(error: unknown, depth: number): PackedError {
  if (!(error instanceof Error)) {
    if (canClone(error)) return { isError: false, value: error };
    return packError(new TokiwaError("TOKIWA_NOT_CLONEABLE", `the task threw something that cannot be sent to another thread: ${show(error)}`));
  }
  const className = classNameOf(error);
  const props: [string, unknown][] = [];
  for (const key of Object.getOwnPropertyNames(error)) {
    if (STANDARD.has(key)) continue;
    const value = read(error, key);
    if (canClone(value)) props.push([key, value]);
  }
  const { errors } = error as AggregateError;
  return {
    isError: true,
    className,
    name: text(read(error, "name")),
    message: text(read(error, "message")) ?? "",
    stack: text(read(error, "stack")),
    cause: "cause" in error && depth < MAX_DEPTH ? packError(error.cause, depth + 1) : undefined,
    errors: Array.isArray(errors) && depth < MAX_DEPTH ? errors.map((e) => packError(e, depth + 1)) : undefined,
    props,
  };
}

/** The name of a class of this package that another copy of it has made. */
function nameOfCopy(prototype: unknown, error: Error): string | undefined {
  if (!(error instanceof TokiwaError) || !Object.hasOwn(prototype as object, "name")) return undefined;
  const { name } = prototype as Error;
  return Object.hasOwn(OWN, name) ? name : undefined;
}

/** A property that may be a getter which throws. */
function read(error: Error, key: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function text(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}

function construct({ className, message, name }: PackedError & { isError: true }): Error {
  if (className === DOM_EXCEPTION && typeof DOMException === "function") return new DOMException(message, name);
  const error = new Error(message);
  Object.setPrototypeOf(error, (classes.get(className) ?? Error).prototype as object);
  return error;
}

/** The thrown value again, of its own class where that is in the table. */
export function unpackError(packed: PackedError): unknown {
  if (packed?.isError !== true) return packed?.value;
  fillTable();
  const error = construct(packed);
  const define = (key: string, value: unknown, enumerable: boolean): void => {
    Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
  };
  if (packed.stack !== undefined) define("stack", packed.stack, false);
  if (packed.cause !== undefined) define("cause", unpackError(packed.cause), false);
  if (packed.errors !== undefined) define("errors", packed.errors.map(unpackError), false);
  for (const [key, value] of packed.props ?? []) define(key, value, key !== "name");
  if (packed.name !== undefined && error.name !== packed.name) define("name", packed.name, false);
  return error;
}

/** What `abort()` was called with, of the error that came of it. */
export function reasonOf(packed: PackedError): unknown {
  const error = unpackError(packed);
  return error instanceof JoinError && error.code === "TOKIWA_CANCELLED" ? error.cause : error;
}
