// What a call throws, as a value.
import { expect } from "vitest";

/** The error that `fn` throws, which must be of this class. */
export function errorOf<E>(fn: () => unknown, type: new (...args: never[]) => E): E {
  try {
    fn();
  } catch (error) {
    expect(error).toBeInstanceOf(type);
    return error as E;
  }
  throw new Error(`nothing was thrown; expected ${type.name}`);
}

/** The `code` of the error that `fn` throws. */
export function codeOf(fn: () => unknown): string {
  return errorOf(fn, Error as unknown as new () => { code: string }).code;
}
