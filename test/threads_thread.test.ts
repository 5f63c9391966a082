import { writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker as NodeWorker } from "node:worker_threads";
import { OptionError } from "tokiwa";
import { move, send, sharedChannel, type SharedSender, Thread, ThreadPool } from "tokiwa/threads";
import { describe, expect, test } from "vitest";
import { transports } from "./support/sent.ts";

describe.each(transports)("Thread (%s)", (transport) => {
  test("runs closures, async closures and source text", async () => {
    const thread = new Thread({ transport });
    expect(await thread.exec((a: number, b: number) => a + b, 1, 2)).toBe(3);
    expect(
      await thread.exec(
        async (a: number, b: number) => {
          await tokiwa.sleep(10);
          return a - b;
        },
        1,
        2,
      ),
    ).toBe(-1);
    expect(await thread.execJs("const add = (x, y) => x + y; return add(a, b)", { a: 1, b: 2 })).toBe(3);
    expect(await thread.execJsAsync("return new Promise((resolve) => setTimeout(() => resolve(a - b), 10))", { a: 1, b: 2 })).toBe(-1);
    thread.terminate();
  });

  test("a job that waits lets the next begin, also one of a function that has been slow", async () => {
    const thread = new Thread({ transport });
    const job = send(async (busyMs: number, waits: boolean) => {
      const end = performance.now() + busyMs;
      while (performance.now() < end);
      if (waits) await new Promise(() => {});
      return 1;
    });
    await thread.exec(job, 20, false);                     // from now on one at a time is delivered
    const waiting = thread.exec(job, 0, true);
    expect(await thread.exec(job, 0, false)).toBe(1);
    thread.terminate();
    await expect(waiting).rejects.toThrow("cancelled");
  });

  test("fib(4) with threads that make threads", async () => {
    const thread = new Thread({ transport });
    const fib = async function fib(n: number): Promise<number> {
      if (n <= 1) return n;
      const a = new tokiwa.Thread();
      const b = new tokiwa.Thread();
      const [x, y] = await Promise.all([a.exec(fib, n - 1), b.exec(fib, n - 2)]);
      a.terminate();
      b.terminate();
      return x + y;
    };
    expect(await thread.exec(fib, 4)).toBe(3);
    thread.terminate();
  }, 60_000);

  test("after terminate() new calls reject and pending ones are cancelled", async () => {
    const thread = new Thread({ transport, name: "t" });
    const pending = thread.exec(() => tokiwa.sleep(60_000));
    expect(thread.isBusy).toBe(true);
    thread.terminate();
    thread.terminate();
    expect(thread.isTerminated).toBe(true);
    expect(await pending.result()).toMatchObject({ status: "cancelled", reason: { code: "TOKIWA_CANCELLED", message: expect.stringContaining("cancelled") } });
    expect(await thread.exec(() => 1).result()).toMatchObject({ reason: { code: "TOKIWA_TERMINATED", message: expect.stringContaining("already terminated") } });
  });

  test("starts from the bytes of a module, and takes 1 MB there and back", async () => {
    const source = "export const size = (b) => b.length; export function twice(n) { return n * 2 }";
    const thread = new Thread({ transport, module: new TextEncoder().encode(source).buffer as ArrayBuffer });
    expect(await thread.exec(send<(n: number) => number>("twice"), 21)).toBe(42);
    const bytes = new Uint8Array(1 << 20);
    expect(await thread.exec(send<(b: Uint8Array) => number>("size"), move(bytes))).toBe(1 << 20);
    expect(bytes.length).toBe(0);
    expect(await thread.exec(send("toString")).result()).toMatchObject({ reason: { code: "TOKIWA_NOT_FOUND" } });
    thread.terminate();
  });

  test("starts from the bytes of a Wasm module", async () => {
    // (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    const wasm = Uint8Array.from([
      0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11,
    ]);
    const thread = new Thread({ transport, module: wasm.buffer });
    expect(await thread.exec(send<(a: number, b: number) => number>("add"), 1, 2)).toBe(3);
    thread.terminate();
  });

  test("a module by URL, and a worker of the consumer's own that exposes names", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tokiwa-"));
    const module = pathToFileURL(join(folder, "m.mjs"));
    const entry = pathToFileURL(join(folder, "w.mjs"));
    writeFileSync(module, "export const twice = async (n) => n * 2;");
    writeFileSync(entry, `import { expose } from ${JSON.stringify(new URL("../dist/threads.js", import.meta.url).href)}; expose({ add: (a, b) => a + b });`);
    const thread = new Thread({ transport, worker: () => new NodeWorker(entry) as unknown as Worker });
    expect(await thread.exec(send<{ twice(n: number): Promise<number> }, "twice">(module, "twice"), 21)).toBe(42);
    expect(await thread.exec(send<(a: number, b: number) => number>("add"), 1, 2)).toBe(3);
    expect(await thread.exec(send<{ none(): void }, "none">(module, "none")).result()).toMatchObject({ reason: { code: "TOKIWA_NOT_FOUND" } });
    thread.terminate();
  });

  test("a worker of the consumer's own that was told something else before", async () => {
    const heard = new SharedArrayBuffer(4);
    const entry = pathToFileURL(join(await mkdtemp(join(tmpdir(), "tokiwa-")), "w.mjs"));
    writeFileSync(entry, `
      import { parentPort, workerData } from "node:worker_threads";
      import ${JSON.stringify(new URL("../dist/tokiwa-worker.js", import.meta.url).href)};
      parentPort.once("message", ({ config }) => Atomics.store(new Int32Array(workerData), 0, config));`);
    const thread = new Thread({
      transport,
      worker: () => {
        const worker = new NodeWorker(entry, { workerData: heard });
        worker.postMessage({ config: 7 });
        worker.postMessage({ tokiwa: "start" });
        return worker as unknown as Worker;
      },
    });
    expect(await thread.exec((a: number, b: number) => a + b, 1, 2)).toBe(3);
    expect(new Int32Array(heard)[0]).toBe(7);
    thread.terminate();
  });

  test("numbers arrive as they are, one by one and in lists, and as messages of a channel", async () => {
    const thread = new Thread({ transport });
    const numbers = [0, -0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 0.5, Number.NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER, Number.MIN_VALUE];
    for (const n of numbers) expect(Object.is(await thread.exec((value: number) => value, n), n), String(n)).toBe(true);
    expect((await thread.exec((list: number[]) => list, numbers)).every((n, i) => Object.is(n, numbers[i]))).toBe(true);
    const [tx, rx] = sharedChannel<number>(2);
    const sending = thread.exec(
      async (out: SharedSender<number>, list: number[]) => {
        for (const n of list) await out.send(n);
      },
      tx,
      numbers,
    );
    for (const n of numbers) expect(Object.is(await rx.recv(), n), String(n)).toBe(true);
    await sending;
    thread.terminate();
  });

  test("a call that throws null settles", async () => {
    const thread = new Thread({ transport });
    expect(
      await thread
        .exec(() => {
          throw null;
        })
        .result(),
    ).toEqual({ status: "rejected", reason: null });
    thread.terminate();
  });
});

describe.each(transports)("ThreadPool (%s)", (transport) => {
  test("buffers arrive with jobs that a busy thread has to leave to another", async () => {
    await using pool = new ThreadPool({ size: 2, transport });
    const work = send((bytes: Uint8Array, busyMs: number) => {
      const end = performance.now() + busyMs;
      while (performance.now() < end);
      return bytes.length;
    });
    await Promise.all([pool.exec(() => 0), pool.exec(() => 0)]);
    for (const mark of [<T>(value: T): T => value, move]) {
      const jobs = Array.from({ length: 12 }, (_, i) => pool.exec(work, mark(new Uint8Array(i + 1)), i === 0 ? 100 : 0));
      expect(await Promise.all(jobs)).toEqual(jobs.map((_, i) => i + 1));
    }
  });

  test("a pool of 2 runs 4 jobs of every kind, and nothing is pending at the end", async () => {
    const pool = new ThreadPool({ size: 2, transport });
    const jobs = [
      pool.exec(() => 1),
      pool.exec(async () => {
        await tokiwa.sleep(20);
        return 2;
      }),
      pool.execJs("return 3"),
      pool.execJsAsync("await new Promise((resolve) => setTimeout(resolve, 20)); return 4"),
    ];
    expect(pool.pendingJobs).toBe(4);
    expect(await Promise.all(jobs)).toEqual([1, 2, 3, 4]);
    expect(pool.pendingJobs).toBe(0);
    await pool.shutdown();
  });

  test("each thread has one job at a time", async () => {
    const pool = new ThreadPool({ size: 2, transport });
    const overlap = async (): Promise<number> => {
      const count = globalThis as unknown as { running: number };
      count.running = (count.running ?? 0) + 1;
      const seen = count.running;
      await tokiwa.sleep(5);
      count.running--;
      return seen;
    };
    expect(await Promise.all(Array.from({ length: 8 }, () => pool.exec(overlap)))).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    await pool.shutdown();
  });

  test("shutting down half-way cancels what is pending", async () => {
    const pool = new ThreadPool({ size: 2, transport });
    const jobs = Array.from({ length: 7 }, (_, k) => pool.exec((ms: number) => tokiwa.sleep(ms), k < 2 ? 1 : 60_000));
    await Promise.all(jobs.slice(0, 2));
    await pool.shutdown();
    const results = await Promise.all(jobs.map((job) => job.result()));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "cancelled", "cancelled", "cancelled", "cancelled", "cancelled"]);
    expect(await pool.exec(() => 1).result()).toMatchObject({ reason: { code: "TOKIWA_TERMINATED" } });
  });
});

test("arguments of threads are checked", () => {
  expect(() => new Thread({ name: 1 as never })).toThrow(OptionError);
  expect(() => new ThreadPool({ size: 0 })).toThrow("size must be an integer from 1 to 1024, got 0");
  expect(() => new ThreadPool({ size: null as never })).toThrow("size must be an integer from 1 to 1024, got null");
  for (const of of [Thread, ThreadPool]) {
    expect(() => new of({ transport: null as never })).toThrow("transport must be one of");
    expect(() => new of({ resourceLimits: 5 as never })).toThrow("resourceLimits must be an object, got 5");
    for (const limit of ["x", -1, 0, Number.NaN]) expect(() => new of({ resourceLimits: { stackSizeMb: limit as never } })).toThrow("resourceLimits.stackSizeMb must be a number above 0, got");
  }
  expect(() => send("")).toThrow("name must be one that expose() has registered");
  const thread = new Thread();
  for (const name of ["a, b = evil()", "class", "this", "await", "tokiwa"]) expect(() => thread.execJs("return 1", { [name]: 1 })).toThrow("identifiers");
  expect(() => thread.execJs("return 1", new Map([["a", 1]]) as never)).toThrow("an object of names");
  expect(JSON.parse(JSON.stringify(thread))).toEqual({ id: thread.id, name: thread.name, isBusy: thread.isBusy, isTerminated: thread.isTerminated });
  expect(() => thread.exec("x" as never)).toThrow("fn must be a function");
  thread.terminate();
});
