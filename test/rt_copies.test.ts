// Two copies of this package in one realm: a page's bundle, and a module that was sent to one of its workers.

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as ours from "tokiwa";
import * as us from "tokiwa/threads";
import { afterAll, beforeAll, expect, test } from "vitest";

let folder: string;
let other: typeof ours;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tokiwa-copy-"));
  cpSync(fileURLToPath(new URL("../dist", import.meta.url)), folder, { recursive: true });
  writeFileSync(join(folder, "sent.js"), SENT);
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

test("an instant of one is an instant of the other", () =>
  ours.run(async () => {
    const start = ours.Instant.now();
    await other.sleepUntil(start.add(10));
    expect(other.Instant.now().durationSince(start)).toBe(10);
    expect(start.compare(other.Instant.now())).toBe(-1);
    for (const no of [null, {}, { ms: 1 }]) expect(() => start.compare(no as never)).toThrow(/other must be an Instant, got /);
  }, { startPaused: true }));

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

test("what one copy marks, exposes or throws is known to the other, on both sides of a thread", async () => {
  const them = (await import(pathToFileURL(join(folder, "threads.js")).href)) as typeof us;
  using thread = new us.Thread();
  const bytes = new Uint8Array(1000);
  expect(await thread.exec(them.send((given: Uint8Array) => given.length), them.move(bytes))).toBe(1000);
  expect(bytes.byteLength).toBe(0);
  const mutex = new them.SharedMutex(1);
  await thread.exec(us.send(async (given: InstanceType<typeof them.SharedMutex<number>>) => {
    const guard = await given.lock();
    guard.value = 2;
    guard.unlock();
  }), mutex);
  expect((await mutex.lock()).value).toBe(2);
  const sent = pathToFileURL(join(folder, "sent.js")).href;
  await expect(thread.exec(us.send<Sent, "late">(sent, "late"))).rejects.toBeInstanceOf(ours.TimeoutError);
  const aborted = thread.exec(us.send<Sent, "waits">(sent, "waits"));
  await ours.sleep(300);
  aborted.abort();
  expect((await aborted.result()).status).toBe("cancelled");
});

interface Sent {
  late(): Promise<void>;
  waits(): Promise<void>;
}
/** Runs in a worker whose machinery is of the first copy, and imports the second. */
const SENT = `
import { currentTask, sleep, timeout } from "./index.js";
export const late = async () => timeout(1, sleep(60_000));
export async function waits() {
  await new Promise((resolve) => currentTask().signal.addEventListener("abort", resolve));
  await sleep(60_000);
}
`;
