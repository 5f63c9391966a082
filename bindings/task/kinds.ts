// What a task can be given to run, and how it is told apart.

import type { Suspend, TaskFn } from "../future.ts";

const GeneratorFunction = function* () {}.constructor as GeneratorFunctionConstructor;

/** A function and its arguments, until the first poll. */
export class Call {
  readonly fn: TaskFn<unknown[], unknown>;
  readonly args: readonly unknown[];

  constructor(fn: TaskFn<unknown[], unknown>, args: readonly unknown[]) {
    this.fn = fn;
    this.args = args;
  }
}

/** The body of a task that calls `fn` with these arguments. */
export function callOf(fn: unknown, args: readonly unknown[]): unknown {
  return args.length === 0 ? fn : new Call(fn as TaskFn<unknown[], unknown>, args);
}

/** A generator function can be called without the async context that other functions may need. */
export function isGeneratorFunction(fn: unknown): boolean {
  return fn instanceof GeneratorFunction;                  // compiled in place, where Object.getPrototypeOf() is a call into the host
}

export function isGenerator(value: unknown): value is Generator<Suspend, unknown, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Generator).next === "function" &&
    typeof (value as Generator).return === "function" &&
    typeof (value as Generator)[Symbol.iterator] === "function"
  );
}
