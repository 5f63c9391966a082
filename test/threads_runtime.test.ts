import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { JoinError, OptionError, Runtime, run, type Sendable, sleep, spawnBlocking, type Suspend, taskBuilder, TokiwaError } from "tokiwa";
import { move, registerError, send, sharedChannel, type SharedSender } from "tokiwa/threads";
import { afterEach, describe, expect, test } from "vitest";
import { seed } from "./support/lanes.ts";
import { transports } from "./support/sent.ts";

const execute = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs a program of its own; rejects when it fails or does not end. */
async function program(source: string): Promise<string> {
  const { stdout } = await execute(process.execPath, ["--input-type=module", "-e", source], { cwd: root, timeout: 50_000 });
  return stdout.trim();
}

const open: Runtime[] = [];
function multi(options: object): Runtime {
  const runtime = new Runtime({ flavor: "multi-thread", ...options });
  open.push(runtime);
  return runtime;
}
afterEach(async () => {
  for (const runtime of open.splice(0)) await runtime.shutdown({ timeout: 0 });
});

const busy = send((ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return ms;
});

/**
 * Waits on timers until its second cell is set, and then holds its worker until the third one is, or for 15 s. It says in
 * its fourth cell in which worker it is.
 */
const hold = send(async (cells: Int32Array) => {
  const here = globalThis as { number?: number };
  cells[3] = here.number ??= 1 + Math.floor(Math.random() * 1e9);
  Atomics.store(cells, 0, 1);
  while (Atomics.load(cells, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  Atomics.store(cells, 0, 2);
  const end = performance.now() + 15_000;
  while (Atomics.load(cells, 2) === 0) if (performance.now() > end) return false;
  return true;
});

/** A hold() in each of the two workers of a runtime. */
async function holds(runtime: Runtime): Promise<{ cells: Int32Array; held: PromiseLike<boolean> }[]> {
  do await Promise.all([runtime.spawn(busy, 20), runtime.spawn(busy, 20)]);
  while (runtime.metrics().workers.filter(({ isReady }) => isReady).length < 2);
  const byWorker = new Map<number, { cells: Int32Array; held: PromiseLike<boolean> }>();
  while (byWorker.size < 2) {
    const cells = new Int32Array(new SharedArrayBuffer(16));
    const held = runtime.spawn(hold, cells);
    while (Atomics.load(cells, 0) === 0) await sleep(1);
    if (!byWorker.has(cells[3]!)) byWorker.set(cells[3]!, { cells, held });
    else cells.fill(1);
    await runtime.spawn(busy, 1);
  }
  return [...byWorker.values()];
}

describe.each(transports)("a multi-thread runtime (%s)", (transport) => {
  test("32 tasks that sleep report more than one thread", async () => {
    const runtime = multi({ workerThreads: 4, transport });
    const where = send(async () => {
      await tokiwa.sleep(5);
      return (process as unknown as { getBuiltinModule(name: string): { threadId: number } }).getBuiltinModule("node:worker_threads").threadId;
    });
    const ids = new Set<number>();
    for (let tries = 200; tries > 0 && ids.size < 2; tries--) {   // the one that starts first may do all of them; not for ever
      for (const id of await Promise.all(Array.from({ length: 32 }, () => runtime.spawn(where)))) ids.add(id);
    }
    expect(ids.size).toBeGreaterThan(1);
  });

  test("short jobs do not wait behind a long one", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    await Promise.all([runtime.spawn(busy, 30), runtime.spawn(busy, 30)]);
    while (!runtime.metrics().workers.every(({ isReady }) => isReady)) await sleep(5);
    const start = performance.now();
    const ends = await Promise.all([1500, 1, 1, 1, 1, 1, 1, 1].map((ms) => runtime.spawn(busy, ms).then(() => performance.now() - start)));
    expect(Math.max(...ends.slice(1))).toBeLessThan(1000);
  });

  test("a job does not wait for a worker whose own task holds it while another one is idle", async () => {
    for (const which of [0, 1]) {
      const runtime = multi({ workerThreads: 2, transport });
      const both = await holds(runtime);
      const [{ cells, held }, other] = [both[which]!, both[1 - which]!];
      other.cells.fill(1);
      await other.held;
      Atomics.store(cells, 1, 1);
      while (Atomics.load(cells, 0) < 2) await sleep(1);
      await sleep(30);                                     // the other one is asleep by now
      for (let i = 0; i < 3; i++) expect(await runtime.spawn(busy, 1)).toBe(1);
      Atomics.store(cells, 2, 1);
      expect(await held, "the jobs came while it held its worker").toBe(true);
    }
  });

  test("a second job gets a worker of its own while the first one waits for something", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const number = send(async () => {
      await tokiwa.sleep(1);
      return ((globalThis as { number?: number }).number ??= 1 + Math.floor(Math.random() * 1e9));
    });
    const waiting = runtime.spawn(send(async () => tokiwa.sleep(600_000)));
    const first = await runtime.spawn(number);
    const seen = new Set([first]);
    const start = performance.now();
    while (seen.size < 2 && performance.now() - start < 15_000) for (const other of await Promise.all([runtime.spawn(number), runtime.spawn(number)])) seen.add(other);
    expect(seen.size).toBe(2);
    expect(runtime.metrics().workers.length).toBe(2);
    waiting.abort();
  });

  test("one job that spawns others gets the other workers started", async () => {
    const runtime = multi({ workerThreads: 3, transport });
    const root = send(async () => {
      const leaf = tokiwa.send((ms: number) => {
        const end = performance.now() + ms;
        while (performance.now() < end);
        return ((globalThis as { number?: number }).number ??= 1 + Math.floor(Math.random() * 1e9));
      });
      const seen = new Set<number>();
      const end = performance.now() + 15_000;
      while (seen.size < 3 && performance.now() < end) for (const number of await Promise.all([5, 5, 5, 5, 5, 5].map((ms) => tokiwa.spawn(leaf, ms)))) seen.add(number);
      return seen.size;
    });
    expect(await runtime.spawn(root)).toBe(3);
    expect(runtime.metrics().workers.length).toBe(3);
  });

  test("jobs of every length, some taken back again and again, are neither lost nor mixed up", async () => {
    const runtime = multi({ workerThreads: 3, transport });
    const work = send(([n, micros]: [number, number]) => {
      const end = performance.now() + micros / 1000;
      while (performance.now() < end);
      return n;
    });
    let random = seed % 0x7fffffff;
    const next = (): number => (random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff) / 0x7fffffff;
    for (const end = performance.now() + 3000; performance.now() < end; ) {
      const given = Array.from({ length: 1 + Math.floor(next() * 60) }, (_, n): [number, number] => [n, next() < 0.1 ? 3000 * next() : 50 * next()]);
      const values = await Promise.all(given.map((one) => runtime.spawn(work, one)));
      expect(values, `TOKIWA_SEED=${seed}`).toEqual(given.map(([n]) => n));
    }
  }, 60_000);

  test("70 000 jobs in flight all settle", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const echo = send((n: number) => n);
    const values = await Promise.all(Array.from({ length: 70_000 }, (_, n) => runtime.spawn(echo, n)));
    expect(values.every((value, n) => value === n)).toBe(true);
  }, 60_000);

  test("a job submits 100 jobs and joins them, on every worker at once", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const parent = send(async () => {
      const child = tokiwa.send((n: number) => n * 2);
      const values = await Promise.all(Array.from({ length: 100 }, (_, n) => tokiwa.spawn(child, n)));
      return values.reduce((a, b) => a + b, 0);
    });
    expect(await Promise.all([runtime.spawn(parent), runtime.spawn(parent), runtime.spawn(parent)])).toEqual([9900, 9900, 9900]);
  });

  test("nested spawns give what the sequential program gives", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const fib = function* fib(n: number): Generator<Suspend, number, unknown> {
      if (n < 2) return n;
      const child: Sendable<[number], number> = tokiwa.send(fib);
      const a = tokiwa.spawn(child, n - 1);
      const b = tokiwa.spawn(child, n - 2);
      return (yield* a) + (yield* b);
    };
    expect(await runtime.spawn(send(fib), 15)).toBe(610);
  });

  test("arguments are taken at the call, and moved buffers detached", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const object = { n: 1 };
    const bytes = new Uint8Array(1 << 20).fill(7);
    const a = runtime.spawn(send((o: { n: number }) => o.n), object);
    const b = runtime.spawn(send((view: Uint8Array) => tokiwa.move(view)), move(bytes));
    object.n = 2;
    expect(bytes.length).toBe(0);
    expect(await a).toBe(1);
    const back = await b;
    expect([back.length, back[99]]).toEqual([1 << 20, 7]);
  });

  test("an error keeps class, name, code, cause and own properties", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const { reason } = (await runtime
      .spawn(
        send(() => {
          throw Object.assign(new RangeError("too far", { cause: new TypeError("why") }), { code: "E_FAR", detail: { a: 1 }, ["__proto__x"]: 1 });
        }),
      )
      .result()) as { reason: RangeError & { code: string; detail: unknown } };
    expect(reason).toBeInstanceOf(RangeError);
    expect(reason.cause).toBeInstanceOf(TypeError);
    expect({ message: reason.message, code: reason.code, detail: reason.detail }).toEqual({ message: "too far", code: "E_FAR", detail: { a: 1 } });
    const own = await runtime.spawn(send(() => tokiwa.timeout(1, tokiwa.sleep(1000)))).result();
    expect(own).toMatchObject({ status: "rejected", reason: { name: "TimeoutError", code: "TOKIWA_ELAPSED" } });
  });

  test("abort cancels the signal inside and runs finally", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const trace = new MessageChannel();
    const said: unknown[] = [];
    trace.port1.onmessage = ({ data }) => said.push(data);
    const handle = runtime.spawn(
      send(async (port: MessagePort) => {
        const { signal } = tokiwa.currentTask();
        port.postMessage("started");
        try {
          await tokiwa.sleep(60_000);
        } finally {
          port.postMessage(signal.aborted);
        }
      }),
      move(trace.port2),
    );
    while (said.length === 0) await sleep(1);
    handle.abort("enough");
    const result = await handle.result();
    expect(result).toMatchObject({ status: "cancelled", reason: { code: "TOKIWA_CANCELLED", cause: "enough" } });
    while (said.length < 2) await sleep(1);
    expect(said).toEqual(["started", true]);
    expect(await runtime.spawn(send(() => 1))).toBe(1);    // the worker lives
    trace.port1.close();
  });

  test("abort with detach settles at once what waits for a foreign promise, small and large, and keeps no program alive", async () => {
    const out = await program(`
      import { Runtime } from "tokiwa";
      import { move, send } from "tokiwa/threads";
      const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, transport: "${transport}" });
      const { port1, port2 } = new MessageChannel();
      const large = runtime.spawn(send(async (port) => { port.postMessage("runs"); await new Promise(() => {}); }), move(port2));
      await new Promise((resolve) => (port1.onmessage = resolve));
      port1.close();
      const forever = send(async () => { await new Promise(() => {}); });
      const nested = runtime.spawn(send(async () => {
        const inner = tokiwa.spawn(tokiwa.send(async () => { await new Promise(() => {}); }));
        await tokiwa.sleep(20);
        inner.abort("enough", { detach: true });
        return (await inner.result()).status;
      }));
      const small = runtime.spawn(forever);
      console.log(await nested);
      for (const handle of [large, small]) {
        handle.abort("enough");
        handle.abort(undefined, { detach: true });
        const { status, reason } = await handle.result();
        console.log(status, reason.code, reason.cause);
      }
      console.log(await runtime.spawn(send((n) => n), 1));`);
    expect(out.split("\n")).toEqual(["cancelled", ...Array(2).fill("cancelled TOKIWA_CANCELLED enough"), "1"]);
  });

  test("a worker that exits or throws outside a task rejects what it had started, and is replaced", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    for (const kill of [
      send(() => process.exit(0)),
      send(async () => {
        setTimeout(() => {
          throw new Error("outside");
        });
        await tokiwa.sleep(60_000);
      }),
    ]) {
      const result = await runtime.spawn(kill as never).result();
      expect(result).toMatchObject({ status: "rejected", reason: { name: "JoinError", code: "TOKIWA_WORKER_DIED" } });
      expect(await runtime.spawn(send(() => "alive"))).toBe("alive");
    }
  });

  test("what has ended is answered before a job begins that may take long", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const words = new Int32Array(new SharedArrayBuffer(8));
    await runtime.spawn(send((words: Int32Array) => void Object.assign(globalThis, { words })), words);
    const quick = send(() => void Atomics.add((globalThis as unknown as { words: Int32Array }).words, 1, 1));
    const held = send((ended: number) => {
      const { words } = globalThis as unknown as { words: Int32Array };
      const isLast = Atomics.load(words, 1) >= ended;                        // now and then the oldest job comes first
      const end = performance.now() + 2;
      while (performance.now() < end);                                       // it is known to take long
      if (!isLast) return "not the last";
      Atomics.wait(words, 0, 0, 20_000);
      return Atomics.exchange(words, 0, 0) === 1 ? "answered" : "held back";
    });
    const found: string[] = [];
    for (let n = 0; n < 100; n++) await runtime.spawn(quick);                   // it is known to be quick, and timed together
    while (found.filter((one) => one === "answered").length < 5) {
      const small = [1, 2, 3].map(() => runtime.spawn(quick));
      const long = runtime.spawn(held, Atomics.load(words, 1) + small.length);
      await Promise.all(small);
      Atomics.store(words, 0, 1);
      Atomics.notify(words, 0);
      found.push(await long);
      Atomics.store(words, 0, 0);
      expect(found).not.toContain("held back");
    }
  }, 60_000);

  // By messages some may have been delivered to the very worker that blocks.
  test("while a job is in blockInPlace() others run what it has spawned", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const ended = new Int32Array(new SharedArrayBuffer(4));
    const count = transport === "shared" ? 10 : 1;
    const blocked = runtime.spawn(send((ended: Int32Array, count: number) => {
      for (let i = 0; i < 10; i++) tokiwa.spawn(tokiwa.send((ended: Int32Array) => { Atomics.add(ended, 0, 1); Atomics.notify(ended, 0); }), ended);
      return tokiwa.blockInPlace(() => {
        const end = Date.now() + 20_000;
        for (let now; (now = Atomics.load(ended, 0)) < count && Date.now() < end; ) Atomics.wait(ended, 0, now, 100);
        return Atomics.load(ended, 0) >= count;
      });
    }), ended, count);
    expect(await blocked).toBe(true);
  }, 40_000);

  test("a signal that was aborted before keeps a job from running, however quick the workers are", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const ran = send(() => "ran");
    await runtime.spawn(ran);
    const handles = [];
    for (let i = 0; i < 50; i++) {
      handles.push(runtime.enter(() => taskBuilder({ signal: AbortSignal.abort("before") }).spawn(ran)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const handle of handles) expect(await handle.result()).toMatchObject({ status: "cancelled", reason: { code: "TOKIWA_CANCELLED", cause: "before" } });
  });

  test("a job sees what abort() was called with", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const begun = new Int32Array(new SharedArrayBuffer(4));
    const handle = runtime.spawn(send(async (begun: Int32Array) => {
      const { signal } = tokiwa.currentTask();
      Atomics.store(begun, 0, 1);
      try {
        await tokiwa.sleep(600_000);
        return [];
      } catch (error) {
        return [(error as Error).cause, (signal.reason as Error).cause];
      }
    }), begun);
    while (Atomics.load(begun, 0) === 0) await sleep(1);
    handle.abort("bye");
    expect(await handle).toEqual(["bye", "bye"]);
  });

  test("a job cannot shut down the runtime it is served by", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const stop = send(async () => {
      const here = tokiwa.Runtime.current;
      const own = new tokiwa.Runtime();
      await own.shutdown();
      try {
        here[Symbol.dispose]();
      } catch (error) {
        await here.shutdown().catch((other: unknown) => ((error as Error).message += `; ${(other as Error).message}`));
        throw error;
      }
    });
    const message = "the runtime of a worker ends with the pool it belongs to: return from the job instead, or shut down a runtime of your own";
    expect(await runtime.spawn(stop).result()).toMatchObject({ status: "rejected", reason: { code: "TOKIWA_WORKER_RUNTIME", message: `${message}; ${message}` } });
    expect(await runtime.spawn(send(() => "alive"))).toBe("alive");
  });

  test("a job that is aborted before its first step leaves no sender open", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const [tx, rx] = sharedChannel<number>(1);
    const waits = send(async (s: SharedSender<number>) => {
      await tokiwa.sleep(600_000);
      s.close();
    });
    const nested = runtime.spawn(send(async (s: SharedSender<number>) => {
      const handle = tokiwa.spawn(tokiwa.send(async (inner: SharedSender<number>) => {
        await tokiwa.sleep(600_000);
        inner.close();
      }), s);
      handle.abort();
      s.close();
      return (await handle.result()).status;
    }), tx);
    const here = new Runtime();
    open.push(here);
    const handle = here.spawn(waits, tx);
    handle.abort();
    tx.close();
    expect([(await handle.result()).status, await nested, await rx.recv()]).toEqual(["cancelled", "cancelled", undefined]);
  });

  test("functions that are written inside of a loop are one to the workers, and each its own here", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const calls = Array.from({ length: 50 }, () => () => "here");
    const [first, second] = [send(calls[0]!), send(calls[1]!)] as unknown as { definition: object; fn: unknown; named: { definition: object } }[];
    expect([first!.definition === second!.definition, first!.named.definition === second!.named.definition, first!.fn === second!.fn]).toEqual([true, true, false]);
    expect(await Promise.all(calls.map((fn) => runtime.spawn(send(fn))))).toEqual(Array(50).fill("here"));
    const own = new Runtime();
    open.push(own);
    const counted = Array.from({ length: 2 }, (_, n) => () => n);
    expect(await Promise.all(counted.map((fn) => own.spawn(send(fn))))).toEqual([0, 1]);
  });

  test("what cannot be cloned fails its own task only", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const bad = runtime.spawn(send(() => () => 1));
    const nested = runtime.spawn(send(() => ({ f: () => 1 })));
    const good = runtime.spawn(send(() => 1));
    const argument = runtime.spawn(send((_: unknown) => 1), () => 1);
    expect((await bad.result()).status).toBe("rejected");
    expect(await nested.result()).toMatchObject({ reason: { code: "TOKIWA_NOT_CLONEABLE" } });
    expect(await argument.result()).toMatchObject({ reason: { code: "TOKIWA_NOT_CLONEABLE" } });
    expect(await good).toBe(1);
  });

  test("an interval in a worker fires while the worker waits for work", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    await runtime.spawn(
      send(() => {
        const counter = globalThis as unknown as { ticks: number };
        counter.ticks = 0;
        setInterval(() => counter.ticks++, 10);
      }),
    );
    const ticks = send(() => (globalThis as unknown as { ticks: number }).ticks);
    let most = 0;                                            // between two looks, which wake it
    for (let tries = 20, before = 0; tries > 0 && most <= 5; tries--) {
      await sleep(200);
      const seen = await runtime.spawn(ticks);
      most = Math.max(most, seen - before);
      before = seen;
    }
    expect(most).toBeGreaterThan(5);
  });

  test("what runs at a shutdown is cancelled, and what never ends does not hold it up", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const handle = runtime.spawn(
      send(() => {
        for (;;);
      }),
    );
    await sleep(50);
    await runtime.shutdown({ timeout: 50 });
    expect(await handle.result()).toMatchObject({ status: "cancelled", reason: { code: "TOKIWA_SHUT_DOWN" } });
  });
});

test("a job is not left to a worker that was woken and is held, when the other one has tasks, too", async () => {
  for (const which of [0, 1]) {
    const runtime = multi({ workerThreads: 2, transport: "shared" });
    const { cells, held } = (await holds(runtime))[which]!;
    Atomics.store(cells, 1, 1);
    while (Atomics.load(cells, 0) < 2) await sleep(1);
    for (let i = 0; i < 3; i++) expect(await runtime.spawn(busy, 1)).toBe(1);
    Atomics.store(cells, 2, 1);
    expect(await held, "the jobs came while it held its worker").toBe(true);
  }
});

describe("sending", () => {
  test("a free variable is named", async () => {
    const offset = 1;
    const result = await spawnBlocking((n: number) => n + offset, 1).result();
    expect(result).toMatchObject({ status: "rejected", reason: { name: "OptionError" } });
    expect(String((result as { reason: Error }).reason.message)).toContain("offset is not defined in the worker");
  });

  test("what cannot be sent is refused at the call", () => {
    expect(() => send(Math.max)).toThrow(OptionError);
    expect(() => send(class {} as never)).toThrow(OptionError);
    expect(() => send("./relative.js", "f")).toThrow("absolute URL");
    expect(() => spawnBlocking(42 as never)).toThrow("fn must be a function");
    expect(() => new Runtime({ flavor: "multi-thread", workerThreads: 0 })).toThrow("workerThreads must be an integer from 1 to 1024, got 0");
    expect(() => new Runtime({ maxBlockingThreads: 0 })).toThrow("maxBlockingThreads");
  });

  test("methods, async and generator functions are sent too", async () => {
    const runtime = multi({ workerThreads: 1 });
    const holder = {
      plain(n: number) {
        return n + 1;
      },
      async late(n: number) {
        await tokiwa.sleep(1);
        return n + 2;
      },
      *steps(n: number): Generator<Suspend, number, unknown> {
        yield* tokiwa.sleep(1);
        return n + 3;
      },
    };
    expect(await Promise.all([runtime.spawn(send(holder.plain), 1), runtime.spawn(send(holder.late), 1), runtime.spawn(send(holder.steps), 1)])).toEqual([2, 3, 4]);
  });

  test("a function that was built with keepNames finds its helper", async () => {
    const built = new Function('return () => { const inner = /* @__PURE__ */ __name(() => inner.name, "kept"); return inner(); }')() as () => string;
    expect(await multi({ workerThreads: 1 }).spawn(send(built))).toBe("kept");
  });

  test("a registered class of errors keeps its class", async () => {
    class Odd extends Error {}
    registerError(Odd);
    for (const no of [undefined, {}, class {}, () => 1]) expect(() => registerError(no as never)).toThrow(expect.objectContaining({ code: "TOKIWA_BAD_OPTION" }));
    const runtime = multi({ workerThreads: 1 });
    const { reason } = (await runtime
      .spawn(
        send(() => {
          class Odd extends Error {}
          tokiwa.registerError(Odd);
          throw Object.assign(new Odd("odd"), { n: 3 });
        }),
      )
      .result()) as { reason: Error & { n: number } };
    expect([reason instanceof Odd, reason.message, reason.n]).toEqual([true, "odd", 3]);
  });

  test("on a current-thread runtime a sendable runs here, with copies", async () => {
    const runtime = new Runtime();
    const given = { n: 1 };
    const handle = runtime.spawn(send((o: { n: number }) => o.n), given);
    given.n = 2;
    expect(await handle).toBe(1);
    await runtime.shutdown();
  });

  test("on a current-thread runtime a generator of a module runs here once it is loaded", async () => {
    const runtime = new Runtime();
    const url = "data:text/javascript,export function* twice(n) { return 2 * n; }";
    const twice = send(url, "twice") as unknown as Sendable<[number], number>;
    const aborted = runtime.spawn(twice, 1);
    aborted.abort();
    expect(await runtime.spawn(twice, 21)).toBe(42);
    expect((await aborted.result()).status).toBe("cancelled");
    await expect(runtime.spawn(send(url, "missing") as unknown as Sendable<[], number>)).rejects.toMatchObject({ code: "TOKIWA_NOT_FOUND" });
    await runtime.shutdown();
  });
});

describe("spawnBlocking", () => {
  test("a timer fires before a long computation ends", async () => {
    const cells = new Int32Array(new SharedArrayBuffer(4));
    const sum = spawnBlocking((n: number, told: Int32Array) => {
      let total = 0;
      for (let i = 0; i < n; i++) total += i;
      Atomics.wait(told, 0, 0, 30_000);                      // until the timer has fired
      return [total, Atomics.load(told, 0)];
    }, 50_000_000, cells);
    await sleep(10);
    Atomics.store(cells, 0, 1);
    Atomics.notify(cells, 0);
    expect(await sum).toEqual([1_249_999_975_000_000, 1]);
  });

  test("blockOn() waits for a blocking job, on Node's main thread", async () => {
    const out = await program(`
      import { Runtime, sleep, join } from "tokiwa";
      const runtime = new Runtime();
      console.log(runtime.blockOn(function* () {
        const [a] = yield* join(runtime.spawnBlocking((n) => n * 2, 21), sleep(5));
        return a;
      }));`);
    expect(out).toBe("42");
  });

  test("blockOn() does not wait for a worker that has exited", async () => {
    const out = await program(`
      import { Runtime } from "tokiwa";
      const runtime = new Runtime();
      try {
        runtime.blockOn(function* () { yield* runtime.spawnBlocking(() => process.exit(0)); });
      } catch (error) { console.log(error.code); }
      process.exit(0);`);
    expect(out).toBe("TOKIWA_WORKER_DIED");
  });

  test("an idle runtime with threads lets the process end", async () => {
    const out = await program(`
      import { Runtime, spawnBlocking } from "tokiwa";
      import { send, Thread } from "tokiwa/threads";
      const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2 });
      const thread = new Thread();
      console.log(await runtime.spawn(send(() => 1)), await spawnBlocking(() => 2), await thread.exec(() => 3));`);
    expect(out).toBe("1 2 3");
  });

  test("run() on threads returns, and no more than maxBlockingThreads are started", async () => {
    const names = await run(
      async () => {
        const { current } = Runtime;
        const jobs = Array.from({ length: 6 }, () => current.spawnBlocking(() => tokiwa.sleep(20)));
        await Promise.all(jobs);
        return current.metrics().blocking.map(({ name }) => name);
      },
      { maxBlockingThreads: 2, threadName: "b" },
    );
    expect(names).toEqual(["b-0", "b-1"]);
  });

  test("an idle thread goes after its keep-alive", async () => {
    const runtime = new Runtime({ threadKeepAlive: 20 });
    await runtime.spawnBlocking(() => 1);
    await sleep(200);
    expect(runtime.metrics().blocking).toEqual([]);
    await runtime.shutdown();
  });

  test("blockInPlace() runs in place on a multi-thread runtime, and is refused on the other", async () => {
    const runtime = multi({ workerThreads: 1 });
    expect(await runtime.spawn(send(() => tokiwa.blockInPlace(() => 5)))).toBe(5);
    expect(runtime.blockInPlace(() => 6)).toBe(6);
    expect(() => new Runtime().blockInPlace(() => 1)).toThrow("multi-thread");
  });

  test.each(transports)("a job that may block, of spawnBlocking() or in blockInPlace(), may call blockOn() of a runtime of its own (%s)", async (transport) => {
    const runtime = multi({ workerThreads: 1, transport });
    const nap = function* (): Generator<Suspend, string> {
      const { Runtime, sleep, spawn } = tokiwa;
      const nested = (main: () => unknown): unknown => {
        try {
          return main();
        } catch (error) {
          return (error as TokiwaError).code;
        }
      };
      const child = spawn(function* () { yield* sleep(2); return nested(() => new Runtime().blockOn(() => 1)); });
      yield* sleep(5);
      return (yield* child as unknown as Generator<Suspend, string>);
    };
    const source = `(${nap.toString()})`;
    const code = "TOKIWA_NESTED_RUNTIME";
    const block = async (source: string): Promise<unknown[]> => {
      const nap = new Function("tokiwa", `return ${source}`)(tokiwa) as () => Generator<Suspend, string>;
      const before = new tokiwa.Runtime().blockOn(nap);
      await tokiwa.sleep(1);
      const cell = new tokiwa.Mutex(5);
      const guard = cell.blockingLock();
      const { value } = guard;
      guard.unlock();
      guard.unlock();
      const held = await cell.lock();
      const codes = [() => tokiwa.Runtime.current.blockOn(nap), () => cell.blockingLock()].map((call) => {
        try {
          return call();
        } catch (error) {
          return (error as TokiwaError).code;
        }
      });
      held.unlock();
      return [before, new tokiwa.Runtime().blockOn(nap), value, tokiwa.currentTask().id > 0, ...codes];
    };
    expect(await runtime.spawnBlocking(block, source)).toEqual([code, code, 5, true, code, "TOKIWA_WOULD_BLOCK"]);
    const inPlace = send((source: string): unknown[] => {
      const nap = new Function("tokiwa", `return ${source}`)(tokiwa) as () => Generator<Suspend, string>;
      const inside = tokiwa.blockInPlace(() => new tokiwa.Runtime().blockOn(nap));
      try {
        new tokiwa.Runtime().blockOn(nap);
      } catch (error) {
        return [inside, (error as TokiwaError).code];
      }
      return [inside];
    });
    expect(await runtime.spawn(inPlace, source)).toEqual([code, code]);
    const own = new Runtime();
    const here = runtime.spawn(() => runtime.blockInPlace(() => own.blockOn(runtime.spawn(send(() => 7)))));
    if (transport === "shared") expect(await here).toBe(7);
    else expect(await here.result()).toMatchObject({ reason: { code: "TOKIWA_WOULD_BLOCK" } });       // a message does not wake who is parked
    expect(await runtime.spawn(() => runtime.blockInPlace(() => runtime.blockOn(function* () { yield* sleep(2); }))).result()).toMatchObject({ reason: { code } });
  });

  test.each(transports)("a sendable may be an argument (%s)", async (transport) => {
    const runtime = multi({ workerThreads: 2, transport });
    const apply = send(async (fn: Sendable<[number], number>, n: number) => (await tokiwa.spawn(fn, n)) + (await tokiwa.spawnBlocking(fn, n)));
    expect(await runtime.spawn(apply, send((n: number) => n * 7), 3)).toBe(42);
    expect(await runtime.spawn(apply, send((n: number) => n + 1), 3)).toBe(8);
    await expect(runtime.spawn(send((o: object) => o), { fn: send(() => 1) })).rejects.toMatchObject({ code: "TOKIWA_NOT_CLONEABLE" });
  });

  test("workers that never start reject what is queued", async () => {
    const runtime = multi({
      worker: () => {
        throw new TokiwaError("TOKIWA_TEST", "no worker today");
      },
    });
    const { reason } = (await runtime.spawn(send(() => 1)).result()) as { reason: JoinError };
    expect([reason instanceof JoinError, reason.code, (reason.cause as TokiwaError).code]).toEqual([true, "TOKIWA_WORKER_DIED", "TOKIWA_TEST"]);
  });
});
