// Two copies of this package in one realm: a page's bundle, and a module that was sent to one of its workers.

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as ours from "tokiwa";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;
let other: typeof ours;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tokiwa-copy-"));
  cpSync(fileURLToPath(new URL("../dist", import.meta.url)), folder, { recursive: true });
  other = (await import(pathToFileURL(join(folder, "index.js")).href)) as typeof ours;
});
afterAll(() => rmSync(folder, { recursive: true }));

test("they are two copies, with one default runtime", () => {
  expect(other.spawn).not.toBe(ours.spawn);
  expect(other.Runtime.current).toBe(ours.Runtime.current);
});

test("a task of one waits on futures of the other, in a generator and in an async function", async () => {
  const seen = await ours.spawn(function* () {
    const first = yield* other.select({ soon: ours.sleep(1), late: other.sleep(60_000) });
    yield* other.yieldNow();
    return [first.name, yield* other.spawn(function* () { yield* ours.sleep(1); return 7; })];
  });
  expect(seen).toEqual(["soon", 7]);
  const [tx, rx] = other.mpsc<number>(1);
  ours.spawn(async () => {
    for (let i = 0; i < 3; i++) await tx.send(i);
    tx.close();
  });
  const got: number[] = [];
  for await (const value of rx) got.push(value);
  expect(got).toEqual([0, 1, 2]);
});

test("the current task and the current runtime are one", async () => {
  const handle = ours.spawn(function* () { return [other.currentTask().id, other.Runtime.current]; });
  expect(await handle).toEqual([handle.id, ours.Runtime.current]);
  const runtime = new ours.Runtime();
  expect(await runtime.run(async () => other.Runtime.current === runtime)).toBe(true);
  await runtime.shutdown();
});

test("an abort reaches what the other copy waits for", async () => {
  let cleanups = 0;
  const handle = ours.spawn(async () => {
    try {
      await other.sleep(60_000);
    } finally {
      cleanups++;
    }
  });
  await ours.sleep(1);
  handle.abort();
  expect((await handle.result()).status).toBe("cancelled");
  expect(cleanups).toBe(1);
});

test("errors of one are instances of the other's classes, and of no others", async () => {
  const error: unknown = await other.timeout(1, other.sleep(60_000)).then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(ours.TimeoutError);
  expect(error).toBeInstanceOf(ours.TokiwaError);
  expect(error).not.toBeInstanceOf(ours.JoinError);
  class Own extends ours.TimeoutError {}
  expect(error).not.toBeInstanceOf(Own);
  expect(new Own()).toBeInstanceOf(other.TimeoutError);
  expect(new TypeError("no")).not.toBeInstanceOf(ours.TokiwaError);
});
