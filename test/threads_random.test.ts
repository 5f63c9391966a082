// Random programs of nested spawns, joins and aborts on real workers, against what a sequential program gives.
//
// A program is a tree: every node spawns its children, joins them in its own order, aborts some, and returns a number that depends on
// all of them. Aborted children count as a fixed number, so the outcome is the same wherever and whenever each node ran.
import { Runtime, type Sendable, type Suspend } from "tokiwa";
import { send } from "tokiwa/threads";
import { afterAll, describe, expect, test } from "vitest";
import { seed } from "./support/lanes.ts";
import { transports } from "./support/sent.ts";

/** Small values only, so that a node fits into a record. */
type Node = [seed: number, depth: number, mayFail: boolean];

/** One step of a generator of pseudo-random numbers, the same in workers and here. */
const model = (start: number, depth: number, mayFail: boolean): number => {
  const mix = (x: number): number => {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
    return (x ^ (x >>> 15)) >>> 0;
  };
  const shape = mix(start + 1);
  const children = depth === 0 ? 0 : shape % 4;
  let sum = shape % 1000;
  for (let i = 0; i < children; i++) {
    const isAborted = ((shape >>> (8 + i)) & 7) === 0;
    const value = isAborted ? 7 : model(mix(start * 31 + i), depth - 1, mayFail);
    sum = (Math.imul(sum, 33) + value) >>> 0;
  }
  if (mayFail && depth > 0 && shape % 11 === 0) sum ^= 0x5555;         // a failure, which the parent catches
  return sum >>> 0;
};

const play = async function play(start: number, depth: number, mayFail: boolean): Promise<number> {
  const mix = (x: number): number => {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
    x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
    return (x ^ (x >>> 15)) >>> 0;
  };
  const self: Sendable<Node, number> = tokiwa.send(play);
  const never = tokiwa.send(() => tokiwa.sleep(60_000));
  const shape = mix(start + 1);
  const children = depth === 0 ? 0 : shape % 4;
  const handles = [];
  for (let i = 0; i < children; i++) {
    const isAborted = ((shape >>> (8 + i)) & 7) === 0;
    if (!isAborted) handles.push(tokiwa.spawn(self, mix(start * 31 + i), depth - 1, mayFail));
    else {
      const handle = tokiwa.spawn(never);
      if (shape % 2 === 0) await tokiwa.yieldNow();
      handle.abort();
      handles.push(handle);
    }
  }
  if (shape % 5 === 0) await tokiwa.sleep(shape % 3);
  let sum = shape % 1000;
  for (const handle of handles) {
    const result = await handle.result();
    const value = result.status === "cancelled" ? 7 : result.status === "rejected" ? Number((result.reason as Error).message) : Number(result.value);
    sum = (Math.imul(sum, 33) + value) >>> 0;
  }
  if (mayFail && depth > 0 && shape % 11 === 0) throw new Error(String((sum ^ 0x5555) >>> 0));
  return sum >>> 0;
};

/** A function without awaits, spawned by generators: the way most jobs go. */
const count = function* count(n: number): Generator<Suspend, number, unknown> {
  if (n < 2) return 1;
  const self: Sendable<[number], number> = tokiwa.send(count);
  const a = tokiwa.spawn(self, n - 1);
  const b = tokiwa.spawn(self, n - 2);
  return 1 + (yield* a) + (yield* b);
};

describe.each(transports)(`random programs (%s), TOKIWA_SEED=${seed}`, (transport) => {
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 3, transport });
  afterAll(() => runtime.shutdown({ timeout: 100 }));

  test("give what a sequential program gives", async () => {
    const programs = Array.from({ length: 60 }, (_, k): Node => [(seed + k * 7919) | 0, 1 + (k % 6), true]);
    const results = await Promise.all(programs.map((node) => runtime.spawn(send(play), ...node).result()));
    const got = results.map((result) => (result.status === "rejected" ? Number((result.reason as Error).message) : result.status === "fulfilled" ? result.value : -1));
    expect(got).toEqual(programs.map((node) => model(...node)));
  }, 60_000);

  test("trees of spawns that are aborted from outside settle, and leave the workers whole", async () => {
    const handles = Array.from({ length: 40 }, (_, k) => runtime.spawn(send(play), (seed ^ (k * 104_729)) | 0, 6, false));
    for (const [k, handle] of handles.entries()) if (k % 2 === 0) setTimeout(() => handle.abort(), k % 7);
    const results = await Promise.all(handles.map((handle) => handle.result()));
    for (const [k, result] of results.entries()) {
      const value = result.status === "rejected" ? Number((result.reason as Error).message) : result.status === "fulfilled" ? result.value : undefined;
      if (value !== undefined || k % 2 === 1) expect(value).toBe(model((seed ^ (k * 104_729)) | 0, 6, false));
    }
    expect(await runtime.spawn(send(() => 1))).toBe(1);
  }, 60_000);

  test("functions that no other worker knows yet are run by whoever steals them", async () => {
    const many = send(async (from: number) => {
      const handles = Array.from({ length: 60 }, (_, n) => tokiwa.spawn(tokiwa.send((a: number, b: number) => a * 1000 + b), from, n));
      let sum = 0;
      for (const handle of handles) sum += await handle;
      return sum;
    });
    const expected = (from: number): number => 60 * from * 1000 + (59 * 60) / 2;
    const froms = Array.from({ length: 30 }, (_, k) => k);
    expect(await Promise.all(froms.map((from) => runtime.spawn(many, from)))).toEqual(froms.map(expected));
  }, 60_000);

  test("a deep tree of generators gives its number of nodes", async () => {
    expect(await runtime.spawn(send(count), 16)).toBe(3193);
  }, 60_000);
});
