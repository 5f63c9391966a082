// What a worker is sent and sends back, on every way it can take: a value that cannot be posted fails its own task only, an abort
// finds its job wherever it is, and nothing is kept of what is over.
import { once } from "node:events";
import { open as openFile, type FileHandle } from "node:fs/promises";
import { Worker as NodeWorker } from "node:worker_threads";
import { JoinError, Runtime, sleep } from "tokiwa";
import { move, send, Thread, ThreadPool } from "tokiwa/threads";
import { afterEach, describe, expect, test, vi } from "vitest";
import { packError } from "../bindings/workers/errors-wire.ts";
import { Link, type LinkOwner } from "../bindings/workers/link.ts";
import { MessageLookout } from "../bindings/workers/lookout.ts";
import { Pool, type PoolOptions } from "../bindings/workers/pool.ts";
import { bySource, type SendableFunction, transferablesOf } from "../bindings/workers/sendable.ts";
import { CANCELLED, FULFILLED, type Status } from "../bindings/workers/wire.ts";
import { collectGarbage } from "./support/lanes.ts";
import { transports } from "./support/sent.ts";

type Words = Int32Array<SharedArrayBuffer>;
type InWorkers = typeof globalThis & { words: Words };

const open: Runtime[] = [];
function multi(options: object): Runtime {
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, ...options });
  open.push(runtime);
  return runtime;
}
afterEach(async () => {
  for (const runtime of open.splice(0)) await runtime.shutdown({ timeout: 0 });
});

const one: PoolOptions = { size: 1, name: () => "one", isShared: true, isSerial: false, sharesJobs: true, keepAliveMs: Infinity, factory: undefined, resourceLimits: undefined };

const newWords = (): Words => new Int32Array(new SharedArrayBuffer(8));

/** Both workers know the words then: each setting-up holds its worker until the other one has begun. */
async function share(runtime: Runtime, words: Words): Promise<void> {
  const set = send((given: Words) => {
    (globalThis as InWorkers).words = given;
    Atomics.add(given, 1, 1);
    Atomics.notify(given, 1);
    for (let n = 0; (n = Atomics.load(given, 1)) < 2; ) Atomics.wait(given, 1, n);
  });
  await Promise.all([runtime.spawn(set, words), runtime.spawn(set, words)]);
}

/** A worker that does not come up before `words[0]` is set. */
function held(words: Words): () => Worker {
  const entry = new URL("../dist/tokiwa-worker.js", import.meta.url).href;
  const source = `Atomics.wait(require("node:worker_threads").workerData, 0, 0); import(${JSON.stringify(entry)});`;
  return () => new NodeWorker(source, { eval: true, workerData: words }) as unknown as Worker;
}

function release(words: Words): void {
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
}

describe.each(transports)("what was moved (%s)", (transport) => {
  test.each<[string, (port: MessagePort) => unknown]>([
    ["a Map", (port) => move(new Map([["port", port]]))],
    ["the key of a Map, and said to move", (port) => move(new Map([[port, 1]]), [port as never])],
    ["a Set in a Set", (port) => move(new Set([new Set([port])]))],
    ["the depth", (port) => move({ a: { b: { c: { d: { e: { f: port } } } } } }, [port as never])],
  ])("arrives from inside of %s, and so does what was sent with it", async (_where, moved) => {
    const pool = new ThreadPool({ size: 1, transport });
    const { port1, port2 } = new MessageChannel();
    const say = send((value: unknown) => {
      const seen = (inner: unknown): MessagePort | undefined => {
        if (inner instanceof MessagePort) return inner;
        if (typeof inner !== "object" || inner === null) return undefined;
        const parts: unknown[] = inner instanceof Map ? [...inner].flat() : inner instanceof Set ? [...inner] : Object.values(inner);
        return parts.map(seen).find((port) => port !== undefined);
      };
      const port = seen(value)!;
      port.postMessage("hello");
      port.close();
      return "said";
    });
    const heard = once(port2 as unknown as EventTarget & NodeJS.EventEmitter, "message");
    expect(await Promise.all([pool.exec((n: number) => n, 1), pool.exec(say, moved(port1)), pool.exec((n: number) => n, 2)])).toEqual([1, "said", 2]);
    expect(((await heard) as [{ data: unknown }])[0].data ?? "hello").toBe("hello");
    await pool.shutdown();
  });

  test("is a file that was opened here", async () => {
    const pool = new ThreadPool({ size: 1, transport });
    const file = await openFile(new URL(import.meta.url));
    const read = send(async ({ file: handle }: { file: FileHandle }) => {
      const { buffer } = await handle.read(new Uint8Array(2), 0, 2, 0);
      await handle.close();
      return String.fromCharCode(...buffer);
    });
    expect(await Promise.all([pool.exec((n: number) => n, 1), pool.exec(read, move({ file }, [file as never])), pool.exec((n: number) => n, 2)])).toEqual([1, "//", 2]);
    await pool.shutdown();
  });

  test("and was closed before it was delivered fails its own task, beside others of the same message", async () => {
    const words = newWords();
    const thread = new Thread({ transport, worker: held(words) });
    const { port1, port2 } = new MessageChannel();
    const echo = send((n: number, _port?: MessagePort) => n);
    const buffer = new ArrayBuffer(8);
    const calls = [thread.exec(echo, 1), thread.exec(echo, 2, move(port1)), thread.exec((bytes: ArrayBuffer) => bytes.byteLength, move(buffer)), thread.exec(echo, 3)];
    port2.close();
    await once(port2 as unknown as NodeJS.EventEmitter, "close");
    for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);        // the other end hears of it in the next one
    release(words);
    const results = await Promise.all(calls.map((call) => call.result()));
    expect(results).toMatchObject([{ value: 1 }, { status: "rejected", reason: { code: "TOKIWA_NOT_CLONEABLE" } }, { value: 8 }, { value: 3 }]);
    expect(await thread.exec(echo, 4)).toBe(4);
    expect(thread.isBusy).toBe(false);
    thread.terminate();
  });

  test("goes on to the other worker with a job that is offered", async () => {
    const runtime = multi({ transport });
    await share(runtime, newWords());
    const parent = send(async () => {
      const { words } = globalThis as InWorkers;
      const child = tokiwa.send((port: MessagePort, here: Words, n: number) => {
        port.postMessage(n);
        port.close();
        Atomics.store(here, 0, 1);
        return n;
      });
      const tasks = [];
      const told: number[] = [];
      const nap = new Int32Array(new SharedArrayBuffer(4));
      // This thread starts none of them meanwhile: it was the other one that has.
      while (Atomics.load(words, 0) === 0 && tasks.length < 5000) {
        const { port1, port2 } = new MessageChannel();
        port2.onmessage = ({ data }: MessageEvent<number>) => {
          told.push(data);
          port2.close();
        };
        tasks.push(tokiwa.spawn(child, tokiwa.move(port1), words, tasks.length));
        Atomics.wait(nap, 0, 0, 1);
      }
      const numbers = await Promise.all(tasks);
      while (told.length < numbers.length) await tokiwa.sleep(1);
      return { wasOffered: Atomics.load(words, 0) === 1, inOrder: numbers.every((n, i) => n === i), told: new Set(told).size === numbers.length };
    });
    expect(await runtime.spawn(parent)).toEqual({ wasOffered: true, inOrder: true, told: true });
  });

  test("is found again in what is passed on, except for buffers, which two results of one message may have", () => {
    const { port1, port2 } = new MessageChannel();
    const bytes = new Uint8Array(8);
    expect(transferablesOf([bytes, bytes.buffer, new Map([[port1, new Set([port2])]])])).toEqual([port1, port2]);
    expect(transferablesOf("text")).toBe(undefined);
    port1.close();
  });

  test.each(["in a record", "with a job that was offered"])("comes back from the other worker (%s)", async (way) => {
    const runtime = multi({ transport });
    await share(runtime, newWords());
    const parent = send(async (isSmall: boolean) => {
      const { words } = globalThis as InWorkers;
      const child = tokiwa.send((n: number, _big: object | undefined) => {
        const { port1, port2 } = new MessageChannel();
        port1.postMessage(n);
        Atomics.store((globalThis as InWorkers).words, 0, 1);
        return tokiwa.move({ port: port2 });
      });
      const tasks = [];
      const nap = new Int32Array(new SharedArrayBuffer(4));
      while (Atomics.load(words, 0) === 0 && tasks.length < 5000) {
        tasks.push(tokiwa.spawn(child, tasks.length, isSmall ? undefined : {}));
        Atomics.wait(nap, 0, 0, 1);
      }
      const heard: number[] = [];
      for (const { port } of await Promise.all(tasks)) {
        heard.push(await new Promise((resolve) => (port.onmessage = ({ data }: MessageEvent<number>) => resolve(data))));
        port.close();
      }
      return { wasOffered: Atomics.load(words, 0) === 1, inOrder: heard.every((n, i) => n === i) };
    });
    expect(await runtime.spawn(parent, way === "in a record")).toEqual({ wasOffered: true, inOrder: true });
  });
});

// Each record counts its uses, and a result is told apart by that from the one of the job before.
test("results that pass through the owner say which uses of their records they are of", async () => {
  const told: unknown[] = [];
  const owner = { options: { ...one, factory: held(newWords()) }, outstanding: 0, lookout: new MessageLookout(), tell: (...given: unknown[]) => told.push(...given), scheduleDispatch() {} };
  const link = new Link(owner as unknown as LinkOwner, 0, 1);
  const { port1, port2 } = new MessageChannel();
  const answers = [FULFILLED, 5, 8, 2, "a", "b", FULFILLED, 6, 10, 1, { port: port1 }];
  link.receive({ k: "results", to: 2, answers });
  expect(told).toEqual([2, { k: "results", answers }, [port1]]);
  port2.close();
  await link.terminate();
});

/** Resolves when it is true. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(1);
}

test.each(transports)("a job whose message takes long to be read is left where it is (%s)", async (transport) => {
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, transport });
  open.push(runtime);
  await Promise.all([1, 2, 3, 4].map(() => runtime.spawn(send(() => { const end = Date.now() + 30; while (Date.now() < end); }))));
  for (const value of [Array.from({ length: 60_000 }, (_, i) => ({ i })), "x".repeat(2e7), Array.from({ length: 500_000 }, Math.random)]) {
    for (let i = 0; i < 3; i++) expect(await runtime.spawn(send((v: unknown[] | string) => v.length), value)).toBe(value.length);
  }
}, 60_000);

describe("an abort", () => {
  const inFlight = (runtime: Runtime): number[] => runtime.metrics().workers.map(({ jobsInFlight }) => jobsInFlight);
  /** Holds its worker until `words[at]` is set, and ends it then if it is 2. */
  const hold = send((words: Words, at: number) => {
    Atomics.wait(words, at, 0);
    if (words[at] === 2) process.exit(3);
  });
  /** Quick, until it is told to take its time. An object as argument keeps it out of the records. */
  const job = send(({ isLong }: { isLong: boolean }): unknown => {
    if (!isLong) return 0;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
    return tokiwa.sleep(600_000);
  });
  /** Until it is known as so quick that a worker gets many ahead. */
  async function seemQuick(runtime: Runtime): Promise<void> {
    const measured = job as unknown as SendableFunction;
    do await Promise.all(Array.from({ length: 20 }, () => runtime.spawn(job, { isLong: false })));
    while (measured.micros >= 40);
  }
  const set = (words: Words, at: number, value = 1): void => {
    Atomics.store(words, at, value);
    Atomics.notify(words, at);
  };

  test.each(transports)("goes with a job that is taken back from its worker (%s)", async (transport) => {
    const runtime = multi({ transport });
    await seemQuick(runtime);
    const words = newWords();
    const holding = [0, 1].map((at) => runtime.spawn(hold, words, at));
    await until(() => String(inFlight(runtime)) === "1,1");
    const tasks = Array.from({ length: 20 }, () => runtime.spawn(job, { isLong: true }));
    await until(() => String(inFlight(runtime)) === "11,11");
    const posts = vi.spyOn(MessagePort.prototype, "postMessage");
    const isRecalled = (): boolean => posts.mock.calls.some(([message]) => (message as { k?: string }).k === "recall");
    const abortAll = (): void => tasks.forEach((task) => task.abort());
    try {
      if (transport === "shared") abortAll();
      set(words, 0);                                       // what waits for the other worker is taken back for this one
      await until(isRecalled);
    } finally {
      posts.mockRestore();
    }
    if (transport === "messages") abortAll();              // it has been asked for, and nobody has answered
    set(words, 1);
    expect(new Set((await Promise.all(tasks.map((task) => task.result()))).map(({ status }) => status))).toEqual(new Set(["cancelled"]));
    await Promise.all(holding);
  });

  test("goes with a job whose worker dies before it was started", async () => {
    const runtime = multi({ transport: "shared", workerThreads: 1 });
    await seemQuick(runtime);
    const words = newWords();
    const holding = runtime.spawn(hold, words, 0).result();
    await until(() => String(inFlight(runtime)) === "1");
    const tasks = Array.from({ length: 10 }, () => runtime.spawn(job, { isLong: true }));
    await until(() => String(inFlight(runtime)) === "11");
    for (const task of tasks) task.abort();
    set(words, 0, 2);
    expect(new Set((await Promise.all(tasks.map((task) => task.result()))).map(({ status }) => status))).toEqual(new Set(["cancelled"]));
    expect(await holding).toMatchObject({ status: "rejected", reason: { code: "TOKIWA_WORKER_DIED" } });
  });
});

describe("a job that a worker has offered", () => {
  const over = new JoinError("TOKIWA_SHUT_DOWN", "over");
  type Answer = [id: number, status: Status, value: unknown];
  const origin = (answers: Answer[]): Link => ({ abort: () => false, answer: (...answer: Answer) => void answers.push(answer) }) as unknown as Link;

  test("and that is aborted while it lies in a record settles", async () => {
    const pool = new Pool({ ...one, factory: held(newWords()) });
    const answers: Answer[] = [];
    const from = origin(answers);
    for (const id of [1, 2, 3]) pool.offered(from, id, bySource((n: number) => n), [id], 1, undefined);
    await Promise.resolve();
    expect([pool.shared!.size, pool.queued]).toEqual([2, 1]);                       // one is left for the worker, which is not up
    for (const id of [1, 2, 3]) pool.abortOffered(from, id, packError(over));
    expect(answers.map(([id, status]) => [id, status])).toEqual([[1, CANCELLED], [2, CANCELLED], [3, CANCELLED]]);
    expect([pool.outstanding, pool.shared!.size]).toEqual([0, 0]);
    await pool.close(over);
  });

  test.each(transports)("is forgotten when it is over, with its arguments (%s)", async (transport) => {
    const pool = new Pool({ ...one, isShared: transport === "shared" });
    const answers: Answer[] = [];
    const from = origin(answers);
    const offer = (id: number, fn: (value: object) => number): WeakRef<object> => {
      const argument = { id };
      pool.offered(from, id, bySource(fn), [argument], 1, undefined);
      return new WeakRef(argument);
    };
    const arguments_ = [offer(1, () => 1), offer(2, () => 2)];
    await until(() => answers.length === 2);
    expect(answers).toEqual(expect.arrayContaining([[1, FULFILLED, 1], [2, FULFILLED, 2]]));
    for (let n = 0; n < 20 && arguments_.some((argument) => argument.deref() !== undefined); n++) {
      await new Promise((resolve) => setTimeout(resolve, 0));                       // a WeakRef holds its target to the end of the turn
      collectGarbage();
    }
    expect(arguments_.map((argument) => argument.deref())).toEqual([undefined, undefined]);
    await pool.close(over);
  });
});
