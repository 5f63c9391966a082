// Jobs that start in bursts: each has its own task, outcome and abort, whatever ran before it in the same burst.
import { currentTask, Runtime, sleep, type Suspend, taskBuilder } from "tokiwa";
import { send, type Sendable, SharedMutex } from "tokiwa/threads";
import { afterEach, describe, expect, test } from "vitest";
import { transports } from "./support/sent.ts";

const open: Runtime[] = [];
function multi(options: object): Runtime {
  const runtime = new Runtime({ flavor: "multi-thread", ...options });
  open.push(runtime);
  return runtime;
}
afterEach(async () => {
  for (const runtime of open.splice(0)) await runtime.shutdown({ timeout: 0 });
});

const echo = send((n: unknown) => n);

/** Which worker it runs in, and how many messages that has posted. */
const posted = send((_of: object): [number, number] => {
  const here = globalThis as { number?: number; posted?: number };
  if (here.posted === undefined) {
    const { prototype } = MessagePort;
    const post = prototype.postMessage;
    here.posted = 0;
    prototype.postMessage = function (...args: unknown[]) {
      here.posted!++;
      return Reflect.apply(post, this, args);
    };
  }
  return [(here.number ??= 1 + Math.floor(Math.random() * 1e9)), here.posted];
});

/** Posts of this thread while `run` does. */
async function posts(run: () => Promise<void>): Promise<{ k?: string }[]> {
  const { prototype } = MessagePort;
  const post = prototype.postMessage;
  const seen: { k?: string }[] = [];
  prototype.postMessage = function (...args: unknown[]) {
    seen.push(args[0] as { k?: string });
    return Reflect.apply(post, this, args);
  };
  try {
    await run();
  } finally {
    prototype.postMessage = post;
  }
  return seen;
}

describe.each(transports)("jobs one at a time (%s)", (transport) => {
  test("are a message there and a message back each", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const [, before] = await runtime.spawn(posted, {});
    let after = before;
    const seen = await posts(async () => {
      for (let i = 0; i < 20; i++) [, after] = await runtime.spawn(posted, {});
    });
    expect([seen.length, after - before]).toEqual([20, 20]);
  });

  test("stay with the worker that has worked last", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const used = new Set<number>();
    while (used.size < 2) for (const [number] of await Promise.all([runtime.spawn(posted, {}), runtime.spawn(posted, {})])) used.add(number);
    for (let rounds = 0; used.size > 1 && rounds < 200; rounds++) {      // a worker that is held has its job taken back
      used.clear();
      for (let i = 0; i < 10; i++) used.add((await runtime.spawn(posted, {}))[0]);
    }
    expect(used.size).toBe(1);
  });
});

describe.each(transports)("both ends look for the next message before they sleep (%s)", (transport) => {
  test("and their event loops go on meanwhile", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const count = send((_of: object) => {
      const counter = globalThis as { ticks?: number };
      if (counter.ticks === undefined) {
        counter.ticks = 0;
        setInterval(() => counter.ticks!++, 5);
      }
      return counter.ticks;
    });
    let here = 0;
    const interval = setInterval(() => here++, 5);
    const start = performance.now();
    while ((here < 5 || (await runtime.spawn(count, {})) < 5) && performance.now() - start < 15_000) await runtime.spawn(count, {});
    clearInterval(interval);
    expect(here).toBeGreaterThan(4);
    expect(await runtime.spawn(count, {})).toBeGreaterThan(4);
  });

  test("and not for long", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const cpu = send((_of: object) => (process as unknown as { cpuUsage(): { user: number } }).cpuUsage().user);
    let least = Infinity;
    for (let rounds = 0; rounds < 10 && least > 30_000; rounds++) {       // nothing else of this process may take time, either
      for (let i = 0; i < 50; i++) await runtime.spawn(cpu, {});
      const before = await runtime.spawn(cpu, {});
      await new Promise((resolve) => setTimeout(resolve, 100));
      least = Math.min(least, (await runtime.spawn(cpu, {})) - before);
    }
    expect(least).toBeLessThan(30_000);
  });
});

describe("who is idle (messages)", () => {
  const hungry = (seen: { k?: string }[]): number => seen.filter(({ k }) => k === "hungry").length;

  test("is said to workers that have jobs to give away, and to no other", async () => {
    const runtime = multi({ workerThreads: 2, transport: "messages" });
    await Promise.all([runtime.spawn(echo, {}), runtime.spawn(echo, {})]);
    const one = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await runtime.spawn(echo, i);
    };
    expect(hungry(await posts(one))).toBe(0);
    const nested = send(async () => {
      const wait = tokiwa.send((ms: number) => tokiwa.sleep(ms));
      for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 6 }, () => tokiwa.spawn(wait, 1)));
    });
    expect(hungry(await posts(async () => runtime.spawn(nested)))).toBeGreaterThan(0);
    let last = Infinity;
    for (let rounds = 0; last > 0 && rounds < 20; rounds++) last = hungry(await posts(one));
    expect(last).toBe(0);
  });
});

describe.each(transports)("jobs in one burst (%s)", (transport) => {
  test("plain, async and generator functions, failures and promises come back each to its own handle", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    await runtime.spawn(echo, 0);
    const kinds = [
      send((n: number): unknown => n),
      send(async (n: number): Promise<unknown> => (await tokiwa.sleep(1), n)),
      send(function* (n: number): Generator<Suspend, unknown, unknown> {
        yield* tokiwa.sleep(1);
        return n;
      }),
      send((n: number): unknown => {
        throw new RangeError(String(n));
      }),
      send((n: number): unknown => Promise.resolve(n).then((m) => (tokiwa.currentTask().id > 0 ? m : -1))),
      send((n: number): unknown => ({ n })),
      send((n: number): unknown => tokiwa.timeout(50, tokiwa.sleep(1)).then(() => n)),
    ];
    const handles = Array.from({ length: 350 }, (_, n) => runtime.spawn(kinds[n % kinds.length] as never, n as never));
    const results = await Promise.all(handles.map((handle) => handle.result()));
    for (const [n, result] of results.entries()) {
      if (n % kinds.length === 3) expect(result).toMatchObject({ status: "rejected", reason: { name: "RangeError", message: String(n) } });
      else expect(result).toEqual({ status: "fulfilled", value: n % kinds.length === 5 ? { n } : n });
    }
  });

  test("what a worker reads only when it is needed: shared primitives, the names in scope, both while others run, and a failure meanwhile", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const source = "export const lock = (m, n) => typeof m.lock === 'function' ? n : -1; export const fail = (m) => { throw new RangeError(typeof m.tryLock); };";
    const url = `data:text/javascript,${encodeURIComponent(source)}`;
    const mutex = new SharedMutex(0);
    const handles = [
      runtime.spawn(send(url, "lock"), mutex, 1),
      runtime.spawn(send(url, "fail"), mutex),
      runtime.spawn(send((m: SharedMutex<number>) => typeof m.lock), mutex),
      runtime.spawn(send(() => typeof tokiwa.sleep)),
      runtime.spawn(send(() => 4)),
      runtime.spawn(send(url, "none"), mutex),
    ];
    const aborted = runtime.spawn(send(url, "lock"), mutex, 2);
    aborted.abort();
    const results = await Promise.all([...handles, aborted].map((handle) => handle.result()));
    const values = results.map((result) => (result.status === "fulfilled" ? result.value : ((result.reason as { code?: string }).code ?? (result.reason as Error).message)));
    expect(values).toEqual([1, "function", "function", "function", 4, "TOKIWA_NOT_FOUND", "TOKIWA_CANCELLED"]);
    expect(await runtime.spawn(send(url, "lock"), mutex, 3)).toBe(3);      // as soon as all of it is there
  });

  test("a job knows its own task, also after an await of something foreign", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const own = send(async () => {
      const before = tokiwa.currentTask().id;
      await new Promise((resolve) => setTimeout(resolve, 2));
      return before === tokiwa.currentTask().id ? before : -1;
    });
    const ids = await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 3 === 0 ? runtime.spawn(own) : runtime.spawn(send(() => tokiwa.currentTask().id)))));
    expect(new Set(ids).size).toBe(40);
    expect(() => currentTask()).toThrow();
  });

  test("a generator of a module that a worker spawns before it has loaded it runs, and can be aborted meanwhile", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const outer = send(async (url: string) => {
      const inner = tokiwa.send(url, "twice") as unknown as Sendable<[number], number>;
      const missing = tokiwa.send(url, "missing") as unknown as Sendable<[], number>;
      const aborted = tokiwa.spawn(inner, 1);
      aborted.abort();
      const failed = await tokiwa.spawn(missing).result();
      return [await tokiwa.spawn(inner, 21), (await aborted.result()).status, failed.status];
    });
    const url = "data:text/javascript,export function* twice(n) { return 2 * n; }";
    expect(await runtime.spawn(outer, url)).toEqual([42, "cancelled", "rejected"]);
  });

  test("a task has its name in its worker, wherever it was spawned, and in what is said about it", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const name = send((..._args: unknown[]) => tokiwa.currentTask().name);
    const spawnNamed = (called: string, ...args: unknown[]): PromiseLike<unknown> => runtime.enter(() => taskBuilder({ name: called }).spawn(name, ...args));
    const names = ["first", "x".repeat(100), "third", "", "fifth"];
    for (const args of [[], [1, "two"], [{ large: "y".repeat(1000) }]]) {
      expect(await Promise.all(names.map((called) => spawnNamed(called, ...args)))).toEqual(names);
      expect(await runtime.spawn(name, ...args)).toBe(undefined);
    }
    const nested = send(async (all: string[], args: unknown[]) => {
      const inner = tokiwa.send((...given: unknown[]) => {
        const until = performance.now() + 1;
        while (performance.now() < until);                 // others have the time to take some
        return [tokiwa.currentTask().name, given];
      });
      return Promise.all(all.map((called) => tokiwa.taskBuilder({ name: called }).spawn(inner, ...args)));
    });
    const many = Array.from({ length: 20 }, (_, n) => `child ${n}`);
    for (const args of [[7], [{ o: 1 }], []]) expect(await runtime.spawn(nested, many, args)).toEqual(many.map((called) => [called, args]));
    // What is said about it.
    const dies = send(async () => (await tokiwa.sleep(20), process.exit(3)));
    const failed = runtime.enter(() => taskBuilder({ name: "the fatal one" }).spawn(dies));
    const { reason } = (await failed.result()) as { reason: Error };
    expect(reason.message).toMatch(/died while task \d+ \(the fatal one\) ran/);
    const waits = runtime.enter(() => taskBuilder({ name: "waits" }).spawn(send(() => tokiwa.sleep(1e6))));
    while (!runtime.metrics().workers.some(({ taskNames }) => taskNames.includes("waits"))) await sleep(1);
    waits.abort();
    const ended = (await waits.result()) as { reason: Error };
    expect(ended.reason.message).toContain("(waits)");
  });

  test("a job that is aborted before it starts does not run", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const cells = new Int32Array(new SharedArrayBuffer(4));
    const mark = send((n: number, ms: number, told?: Int32Array) => {
      const end = performance.now() + ms;
      while (performance.now() < end && (told === undefined || Atomics.load(told, 0) === 0));
      ((globalThis as unknown as { marks: number[] }).marks ??= []).push(n);
    });
    await runtime.spawn(mark, -1, 20);
    const handles = Array.from({ length: 21 }, (_, n) => (n === 0 ? runtime.spawn(mark, n, 30_000, cells) : runtime.spawn(mark, n, 0)));
    await sleep(5);
    for (let n = 3; n < handles.length; n += 2) handles[n]!.abort();       // the first ones may have started
    Atomics.store(cells, 0, 1);
    const results = await Promise.all(handles.map((handle) => handle.result()));
    const isAborted = (n: number): boolean => n >= 3 && n % 2 === 1;
    expect(results.map(({ status }) => status)).toEqual(handles.map((_, n) => (isAborted(n) ? "cancelled" : "fulfilled")));
    const marks = await runtime.spawn(send(() => (globalThis as unknown as { marks: number[] }).marks));
    expect(marks).toEqual([-1, ...handles.keys()].filter((n) => !isAborted(n)));
  });

  test("a result that cannot be cloned does not take others along, nor their buffers", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    await runtime.spawn(echo, 0);
    const make = send((n: number) => (n % 4 === 1 ? { f: () => n } : tokiwa.move(new Uint8Array([n]))));
    const results = await Promise.all(Array.from({ length: 12 }, (_, n) => runtime.spawn(make, n).result()));
    for (const [n, result] of results.entries()) {
      if (n % 4 === 1) expect(result).toMatchObject({ status: "rejected", reason: { code: "TOKIWA_NOT_CLONEABLE" } });
      else expect(result).toEqual({ status: "fulfilled", value: new Uint8Array([n]) });
    }
  });

  test("timers, tasks and wakes of plain functions are driven after their burst", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const handles = Array.from({ length: 30 }, (_, n) =>
      runtime.spawn(
        send((k: number) => {
          const [tx, rx] = tokiwa.oneshot<number>();
          void tokiwa.spawn(async () => {
            await tokiwa.sleep(k % 4);
            tx.send(k);
          });
          return rx;
        }),
        n,
      ),
    );
    expect(await Promise.all(handles)).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });

  test("an await outside of tasks ends as a promise does: twice, chained, failed, and after the job has ended", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    await runtime.spawn(echo, 0);
    const fails = send((): number => {
      throw new RangeError("no");
    });
    const good = runtime.spawn(echo, 1) as PromiseLike<number> & { catch: Promise<number>["catch"]; finally: Promise<number>["finally"] };
    const bad = runtime.spawn(fails);
    const order: string[] = [];
    const chained = good.then((n) => {
      order.push("first");
      void Promise.resolve().then(() => order.push("after it"));
      return n + 1;
    });
    const again = good.then((n) => {
      order.push("second");
      return Promise.resolve(n + 2);
    });
    const kept = good.catch(() => -1);
    const last = good.finally(() => void order.push("finally"));
    const thrown = good.then(() => {
      throw new TypeError("mine");
    });
    expect(order).toEqual([]);                              // never on the caller's stack
    expect(await Promise.all([chained, again, kept, last, good, good])).toEqual([2, 3, 1, 1, 1, 1]);
    await expect(thrown).rejects.toThrow("mine");
    expect(order.slice(0, 2)).toEqual(["first", "second"]);
    expect(order).toContain("after it");
    expect(order).toContain("finally");
    expect(await bad.catch((error) => (error as Error).name)).toBe("RangeError");
    expect(await bad.then(null, () => "again")).toBe("again");
    await expect(bad).rejects.toThrow("no");
    expect(await good).toBe(1);
  });

  test("an abort reaches a worker whose task waits for nothing but its own thread", async () => {
    const runtime = multi({ workerThreads: 1, transport });
    const waits = send(function* (n: number): Generator<Suspend, unknown, unknown> {
      const [tx, rx] = tokiwa.oneshot<number>();
      yield* rx;
      return [n, tx];
    });
    for (let n = 0; n < 20; n++) {
      await runtime.spawn(echo, n);                         // it has just worked, and naps while it waits for more
      const waiting = runtime.spawn(waits, n);
      await sleep(n % 3);
      waiting.abort();
      expect(await waiting.result()).toMatchObject({ status: "cancelled" });
    }
  });
});
