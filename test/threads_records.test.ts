// The records of shared memory that small jobs lie in: each is used again and again, and what is said of a job must reach that job only.
import { Runtime } from "tokiwa";
import { send, SharedBarrier, SharedMutex, SharedNotify, SharedSemaphore, sharedChannel } from "tokiwa/threads";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ASLEEP, QUEUED, RECORD_GENERATION, RECORD_STATE, STARTED, STATE_SHIFT } from "../assembly/pool-layout.ts";
import { Engine } from "../bindings/engine.ts";
import { JoinError } from "../bindings/errors.ts";
import { Task } from "../bindings/task/task.ts";
import { PlacedJob } from "../bindings/workers/job.ts";
import { bySource, packShared } from "../bindings/workers/sendable.ts";
import { newShare } from "../bindings/workers/share.ts";
import { SharedJobs } from "../bindings/workers/shared-jobs.ts";
import { SharedWork } from "../bindings/workers/shared-work.ts";
import { firstDefinitionOf, FULFILLED } from "../bindings/workers/wire.ts";
import "./support/sent.ts";

const open: Runtime[] = [];
function multi(workerThreads: number): Runtime {
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads, transport: "shared" });
  open.push(runtime);
  return runtime;
}
afterEach(async () => {
  for (const runtime of open.splice(0)) await runtime.shutdown({ timeout: 0 });
});

interface PoolCore {
  /** What this thread calls; it may be changed. */
  readonly exports: Record<"recordAt" | "stateAt" | "cancel" | "injected", (number?: number) => number>;
  readonly words: Int32Array;
}

/** What `make` brings into being, and this thread's instance of the core of its pool. */
function withCore<T>(make: () => T): [T, PoolCore] {
  const { Instance } = WebAssembly;
  const made: PoolCore[] = [];
  const spy = function (module: WebAssembly.Module, imports: { env: { memory: WebAssembly.Memory } }): WebAssembly.Instance {
    const instance = new Instance(module, imports);
    if (!("recordAt" in instance.exports)) return instance;
    const exports = { ...instance.exports } as unknown as PoolCore["exports"];
    made.push({ exports, words: new Int32Array(imports.env.memory.buffer) });
    return { exports } as unknown as WebAssembly.Instance;
  };
  WebAssembly.Instance = spy as unknown as typeof Instance;
  try {
    return [make(), made.at(-1)!];
  } finally {
    WebAssembly.Instance = Instance;
  }
}

test("what a message says of a shared primitive has no views: Deno would look at each of their elements", () => {
  const viewsIn = (value: unknown): unknown[] => (ArrayBuffer.isView(value) ? [value] : typeof value === "object" && value !== null ? Object.values(value).flatMap(viewsIn) : []);
  const memoryIn = (value: unknown): unknown[] => (value instanceof SharedArrayBuffer ? [value] : typeof value === "object" && value !== null ? Object.values(value).flatMap(memoryIn) : []);
  const [tx, rx] = sharedChannel(2);
  for (const primitive of [new SharedMutex(0), new SharedSemaphore(1), new SharedNotify(), new SharedBarrier(2), tx, tx.downgrade(), rx]) {
    const packed = packShared({ primitive }, []);
    expect(viewsIn(packed)).toEqual([]);
    expect(memoryIn(packed).length).toBeGreaterThan(0);
  }
});

describe("a record", () => {
  test("that is used again takes no second result of the job before", async () => {
    const runtime = multi(1);
    // After a death an outcome can be told twice. Here each is, and the second time comes when its record holds another job.
    await runtime.spawn(send(() => {
      const { postMessage } = MessagePort.prototype as unknown as { postMessage: (...args: unknown[]) => void };
      let before: unknown;
      MessagePort.prototype.postMessage = function (this: MessagePort, message: { k?: string }, ...rest: unknown[]) {
        if (message.k === "results") {
          if (before !== undefined) postMessage.call(this, before);
          before = message;
        }
        postMessage.call(this, message, ...rest);
      } as typeof MessagePort.prototype.postMessage;
    }));
    const long = send((n: number) => "x".repeat(1000) + n);
    for (let n = 0; n < 10; n++) expect((await runtime.spawn(long, n)).slice(1000)).toBe(String(n));
  });

  // Here the threads are this one, in turns: a worker dies between the end of a job and the message that tells of it.
  test("that had ended when its worker died is told to the worker that waits for it", async () => {
    const { scheduler } = new Engine();
    const state = newShare(2);
    const workers: SharedWork[] = [];
    const begun: number[] = [];
    const nothing = (): void => {};
    for (const thread of [1, 2]) {
      const work = new SharedWork(state, thread, scheduler, {
        post: nothing,
        crowded: nothing,
        begin: (record) => begun.push(record) > 0,
        knownOf: () => ({}) as never,
        compileNested: () => nothing,
        pump: nothing,
      });
      work.share.begin();
      workers[thread] = work;
    }
    const [, spawner, victim] = workers as [never, SharedWork, SharedWork];
    const owner = new SharedJobs(state, {
      tell: () => true,
      tellAll: (message) => {
        if (!Array.isArray(message) && message.k === "gone") spawner.gone(message.thread);
      },
      scheduleDispatch: nothing,
      worked: nothing,
      lookAgain: nothing,
    });
    const sendable = bySource((n: number) => n);
    const [lost, other] = [1, 2].map(() => new Task<unknown>(scheduler, null)) as [Task<unknown>, Task<unknown>];
    for (const task of [lost, other]) expect(spawner.spawn(task, sendable, [1])).toBe(true);
    const job = owner.deliver(new PlacedJob({ abort: () => false, forget: nothing, jobEnded: nothing, offerEnded: nothing }, undefined), sendable, [1]);
    expect(job).toBe(true);
    while (begun.length === 0) victim.start(null as never);
    victim.end(begun[0]!, FULFILLED, 42, undefined);
    const [lives, dead] = [1, 2].map((thread) => ({ id: firstDefinitionOf(thread) + 5, kind: "exposed", name: "f" }) as const);
    owner.define([lives!, dead!]);
    owner.bury(2, new JoinError("TOKIWA_WORKER_DIED", "for a test"));
    expect(owner.defined.map(({ id }) => id)).toEqual([sendable.definition.id, lives!.id]);
    const settled = [lost.isFinished, other.isFinished];
    expect(settled.sort()).toEqual([false, true]);
    expect(await (lost.isFinished ? lost : other)).toBe(42);
    spawner.gone(2);
    spawner.collect();
    expect([lost.isFinished, other.isFinished].sort()).toEqual(settled);
  });

  test("counts its uses past 2^32: its job is not taken for one that came by a message", async () => {
    const [runtime, core] = withCore(() => {
      const runtime = multi(1);
      void runtime.spawn(send(() => 0));
      return runtime;
    });
    const same = send((n: number) => n);
    for (let n = 0; n < 4; n++) expect(await runtime.spawn(same, n)).toBe(n);
    const generations = Array.from({ length: 8 }, (_, record) => (core.exports.recordAt(record) + RECORD_GENERATION) >> 2);
    expect(generations.some((at) => core.words[at]! > 0)).toBe(true);
    for (const at of generations) core.words[at] = -1;
    for (let n = 0; n < 4; n++) expect(await runtime.spawn(same, n)).toBe(n);
  });

  test.each(["before its owner has looked who has it", "after that"])("whose job is put back %s can be aborted", async (when) => {
    const [runtime, { exports, words }] = withCore(() => {
      const runtime = multi(1);
      void runtime.spawn(send(() => 0));
      return runtime;
    });
    const same = send((n: number) => n);
    for (let n = 0; n < 2; n++) await runtime.spawn(same, n);
    // The worker starts jobs whose function it does not know, and puts them back: its definition never comes. The abort meets it in between.
    const { postMessage } = MessagePort.prototype as unknown as { postMessage: (...args: unknown[]) => void };
    let putBack = (): void => {};
    MessagePort.prototype.postMessage = function (this: MessagePort, message: { k?: string }, ...rest: unknown[]) {
      if (message.k === "define") return;
      if (message.k === "abort") putBack();
      postMessage.call(this, message, ...rest);
    } as typeof MessagePort.prototype.postMessage;
    try {
      const handle = runtime.spawn(send((n: number) => n + 1), 1);
      const stateOf = (record: number): number => (exports.recordAt(record) + RECORD_STATE) >> 2;
      await new Promise((resolve) => setTimeout(resolve));                 // it is queued at the end of this turn
      await vi.waitUntil(() => exports.injected() === 0 && Atomics.load(words, exports.stateAt(1) >> 2) >= ASLEEP, { timeout: 30_000 });
      const { cancel } = exports;
      exports.cancel = (record = 0) => {
        exports.cancel = cancel;
        putBack = () => Atomics.compareExchange(words, stateOf(record), STARTED | (1 << STATE_SHIFT), QUEUED);
        expect(Atomics.exchange(words, stateOf(record), STARTED | (1 << STATE_SHIFT))).toBe(QUEUED);
        expect(cancel(record)).toBe(0);
        if (when.startsWith("before")) putBack();
        return 0;
      };
      handle.abort();
      expect(await handle.result()).toMatchObject({ status: "cancelled" });
    } finally {
      MessagePort.prototype.postMessage = postMessage as typeof MessagePort.prototype.postMessage;
    }
  });

  test("of a worker that is dead is free when its job has ended, though nobody gets the result", async () => {
    const runtime = multi(2);
    const words = new Int32Array(new SharedArrayBuffer(12));
    const meet = send((words: Int32Array) => {
      Object.assign(globalThis, { words });
      Atomics.add(words, 0, 1);
      while (Atomics.load(words, 0) < 2) Atomics.wait(words, 0, 1, 10);
    });
    await Promise.all([runtime.spawn(meet, words), runtime.spawn(meet, words)]);
    const dying = runtime.spawn(send(() => {
      const { words } = globalThis as unknown as { words: Int32Array };
      void tokiwa.spawn(tokiwa.send(async () => {
        const { words } = globalThis as unknown as { words: Int32Array };
        Atomics.store(words, 1, 1);
        Atomics.notify(words, 1);
        while (Atomics.load(words, 2) === 0) await tokiwa.sleep(1);
        return "x".repeat(1000);
      }));
      Atomics.wait(words, 1, 0);                           // the other one has it
      process.exit(1);
    }));
    expect(await dying.result()).toMatchObject({ status: "rejected" });
    const inFlight = (): number => runtime.metrics().workers.reduce((sum, { jobsInFlight }) => sum + jobsInFlight, 0);
    expect(inFlight()).toBe(1);
    Atomics.store(words, 2, 1);
    await vi.waitUntil(() => inFlight() === 0, { timeout: 20_000 });
  });
});
