// Promises that are not the host's own: whatever they do, a wait on one settles once, and nothing is left counted.

import { runInNewContext } from "node:vm";
import { DeadlockError, fromPromise, join, lazy, Notify, Runtime, run, spawn } from "tokiwa";
import { expect, test } from "vitest";

type Then = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void;
const thenable = (then: Then): PromiseLike<unknown> => ({ then } as PromiseLike<unknown>);

const failure = new RangeError("no");
const KINDS: [string, () => PromiseLike<unknown>, unknown][] = [
  ["calls back at once", () => thenable((resolve) => resolve(1)), 1],
  ["calls back twice", () => thenable((resolve, reject) => (resolve(1), resolve(2), reject(failure))), 1],
  ["calls back and throws", () => thenable((resolve) => { resolve(1); throw failure; }), 1],
  ["is fulfilled with a promise", () => thenable((resolve) => resolve(Promise.resolve(1))), 1],
  ["is fulfilled with another of its kind", () => thenable((resolve) => resolve(thenable((inner) => inner(1)))), 1],
  ["throws", () => thenable(() => { throw failure; }), failure],
  ["is a proxy", () => new Proxy(Promise.resolve(1), {}), TypeError],
  ["is of another realm", () => runInNewContext("Promise.resolve(1)") as Promise<unknown>, 1],
  ["is of a subclass", () => class extends Promise<unknown> {}.resolve(1), 1],
];

const WAYS: [string, (promise: () => PromiseLike<unknown>) => PromiseLike<unknown>][] = [
  ["spawn(promise)", (promise) => spawn(promise())],
  ["spawn(fn)", (promise) => spawn(promise)],
  ["lazy()", (promise) => spawn(lazy(promise))],
  ["fromPromise()", (promise) => spawn(function* () { return yield* fromPromise(promise()); })],
  ["join()", (promise) => join(promise()).then(([value]) => value)],
];

for (const [kind, make, expected] of KINDS) {
  for (const [way, wait] of WAYS) {
    test(`${way} with a promise that ${kind}`, () =>
      run(async () => {
        const outcome = await wait(make).then((value) => value, (error: unknown) => error);
        if (typeof expected === "function") expect(outcome).toBeInstanceOf(expected);
        else expect(outcome).toBe(expected);
      }));
  }
}

test("a promise that threw is not waited for any longer", async () => {
  using runtime = new Runtime();
  const throwing = thenable(() => { throw failure; });
  expect((await runtime.spawn(() => throwing).result()).status).toBe("rejected");
  // with something of the host's outstanding it would be a WouldBlockError
  expect(() => runtime.blockOn(function* () { yield* new Notify().notified(); })).toThrow(DeadlockError);
});
