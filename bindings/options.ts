// Checks of arguments and options. Each throws OptionError with the name, what is allowed
// and what was given: `workerThreads must be an integer from 1 to 1024, got 0`.

import { OptionError } from "./errors.ts";

/** How a value is shown in a message: short, and never throws. */
export function show(value: unknown): string {
  if (typeof value === "string") return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}...` : JSON.stringify(value);
  if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : "an object";
  }
  return String(value);
}

/** An integer from `min` to `max`, both included. */
export function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new OptionError(`${name} must be an integer from ${min} to ${max}, got ${show(value)}`);
  }
  return value as number;
}

/** A duration in milliseconds: at least 0, fractions allowed, Infinity allowed. */
export function checkDuration(name: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0)) {
    throw new OptionError(`${name} must be a number of milliseconds of at least 0, got ${show(value)}`);
  }
  return value;
}

export function checkFunction<F>(name: string, value: F): F {
  if (typeof value !== "function") throw new OptionError(`${name} must be a function, got ${show(value)}`);
  return value;
}

/** An object of the same class as `like`, which messages call `kind`: the names of classes do not survive every bundler. */
export function checkAlike<T extends object>(name: string, value: T, like: T, kind: string): T {
  if (!(value instanceof (like.constructor as new () => T))) throw new OptionError(`${name} must be another ${kind}, got ${show(value)}`);
  return value;
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw new OptionError(`${name} must be true or false, got ${show(value)}`);
  return value;
}

/** A signal of another realm (a frame, jsdom) or of a polyfill is as good. */
export function checkSignal(name: string, value: unknown): AbortSignal {
  const signal = value as Partial<AbortSignal> | null | undefined;
  if (typeof signal?.aborted !== "boolean" || typeof signal.addEventListener !== "function") throw new OptionError(`${name} must be an AbortSignal, got ${show(value)}`);
  return value as AbortSignal;
}

export function checkOneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) {
    throw new OptionError(`${name} must be one of ${allowed.map((a) => `"${a}"`).join(", ")}, got ${show(value)}`);
  }
  return value as T;
}

/** An options object (or undefined), never null, an array or a primitive. */
export function checkOptions<T extends object>(name: string, value: T | undefined): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new OptionError(`${name} must be an object, got ${show(value)}`);
  }
  return value;
}
