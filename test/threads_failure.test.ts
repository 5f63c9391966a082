// Everything that can go wrong in a worker: its tasks reject, it is replaced, the others never notice.
import { execFile } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker as NodeWorker } from "node:worker_threads";
import { CancellationToken, JoinError, Runtime, sleep, type TokiwaError } from "tokiwa";
import { send, SharedMutex, Thread, ThreadPool } from "tokiwa/threads";
import { afterEach, describe, expect, test, vi } from "vitest";
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

const root = fileURLToPath(new URL("..", import.meta.url));

/** A program of its own, which must end by itself. */
function program(source: string): Promise<{ code: number; output: string; errors: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ["--input-type=module", "-e", source], { cwd: root, timeout: 50_000 }, (error, output, errors) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, output: output.trim(), errors: errors.trim() });
    });
  });
}

const died = { status: "rejected", reason: { name: "JoinError", code: "TOKIWA_WORKER_DIED" } };

describe("a worker that dies", () => {
  test("again and again, while thousands of jobs wait, rejects those that have killed it and no other", { timeout: 60_000 }, async () => {
    const runtime = multi({ workerThreads: 1, transport: "shared" });
    const run = send((n: number) => (n % 500 === 499 ? process.exit(1) : n));
    const results = await Promise.all(Array.from({ length: 10_000 }, (_, n) => runtime.spawn(run, n).result()));
    const wrong = results.flatMap((result, n) => (result.status === (n % 500 === 499 ? "rejected" : "fulfilled") && (result.status === "rejected" || result.value === n) ? [] : [n]));
    expect(wrong).toEqual([]);
  });
});

describe.each(transports)("a worker that dies (%s)", (transport) => {
  test.each([0, 1, 42])("by process.exit(%i) rejects its task with that code, and is replaced", async (code) => {
    const runtime = multi({ workerThreads: 2, transport });
    const result = await runtime.spawn(send((n: number) => process.exit(n)), code).result();
    expect(result).toMatchObject({ ...died, reason: { message: expect.stringContaining(`exited with code ${code}`) } });
    expect(await runtime.spawn(send(() => "alive"))).toBe("alive");
  });

  test.each([
    ["a timer that throws", send(() => void setTimeout(() => { throw new RangeError("outside"); }))],
    ["a promise that nobody handles", send(() => void Promise.reject(new RangeError("outside")))],
  ])("by %s rejects what it had started, with the error as cause", async (_what, kill) => {
    const runtime = multi({ workerThreads: 1, transport });
    const waiting = runtime.spawn(send(() => tokiwa.sleep(600_000)));
    void runtime.spawn(kill);
    const { reason } = (await waiting.result()) as { reason: JoinError };
    expect(reason).toBeInstanceOf(JoinError);
    expect(reason).toMatchObject({ code: "TOKIWA_WORKER_DIED", isCancelled: false, cause: { name: "RangeError", message: "outside" } });
    expect(await runtime.spawn(send(() => "alive"))).toBe("alive");
  });

  test("out of memory rejects its task, and the others never notice", { timeout: 60_000 }, async () => {
    const runtime = multi({ workerThreads: 2, transport, resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 } });
    const count = send(async (steps: number) => {
      let n = 0;
      for (; n < steps; n++) await tokiwa.sleep(1);
      return n;
    });
    const beside = new Thread({ transport });
    const counting = beside.exec(count, 100);
    const fill = send(() => {
      const kept: object[] = [];
      for (;;) kept.push(Array.from({ length: 1000 }, (_, n) => ({ n })));
    });
    const result = await runtime.spawn(fill).result();
    expect(result).toMatchObject(died);
    expect(String((result as { reason: JoinError }).reason.message)).toMatch(/memory/);
    expect(await runtime.spawn(send(() => "alive"))).toBe("alive");
    expect(await counting).toBe(100);
    beside.terminate();
  });

  test("terminated from outside rejects its task, and is replaced", async () => {
    const workers: NodeWorker[] = [];
    const entry = new URL("../dist/tokiwa-worker.js", import.meta.url);
    const worker = (): Worker => {
      workers.push(new NodeWorker(entry));
      return workers.at(-1) as unknown as Worker;
    };
    const thread = new Thread({ transport, worker });
    expect(await thread.exec(() => 1)).toBe(1);
    const cells = new Int32Array(new SharedArrayBuffer(4));
    const running = thread.exec((begun: Int32Array) => {
      Atomics.store(begun, 0, 1);
      return tokiwa.sleep(600_000);
    }, cells);
    while (Atomics.load(cells, 0) === 0) await sleep(1);     // or it begins in the next worker
    void workers[0]!.terminate();
    expect(await running.result()).toMatchObject(died);
    expect(await thread.exec(() => "alive")).toBe("alive");
    expect(workers.length).toBe(2);
    thread.terminate();
  });

  test("while others work: only its own jobs reject, and each of the others settles with its value", async () => {
    const pool = new ThreadPool({ size: 3, transport });
    const work = async (n: number): Promise<number> => {
      await tokiwa.sleep(2);
      if (n % 7 === 3) process.exit(n);
      return n;
    };
    const results = await Promise.all(Array.from({ length: 30 }, (_, n) => pool.exec(work, n).result()));
    for (const [n, result] of results.entries()) {
      if (n % 7 === 3) expect(result, String(n)).toMatchObject(died);
      else expect(result, String(n)).toEqual({ status: "fulfilled", value: n });
    }
    expect(pool.pendingJobs).toBe(0);
    await pool.shutdown();
  });

  test("before it is ready, three times in a row, rejects what is queued", async () => {
    let started = 0;
    const worker = (): Worker => {
      started++;
      return new NodeWorker("process.exit(3)", { eval: true }) as unknown as Worker;
    };
    const pool = new ThreadPool({ size: 1, transport, worker });
    const { reason } = (await pool.exec(() => 1).result()) as { reason: JoinError };
    expect(reason).toMatchObject({ code: "TOKIWA_WORKER_DIED", message: expect.stringContaining("no worker could be started") });
    expect(started).toBe(3);
    await pool.shutdown();
  });

  test("is replaced, and what was queued runs, although nothing can be said of it: console.error throws, what it has thrown has no text", async () => {
    const report = vi.spyOn(console, "error").mockImplementation(() => {
      throw new Error("nothing may be printed");
    });
    try {
      const pool = new ThreadPool({ size: 1, transport });
      const calls = [pool.exec(() => process.exit(1)), pool.exec(() => "alive"), pool.exec(() => {
        setTimeout(() => {
          throw Object.create(null);
        });
        return tokiwa.sleep(600_000);
      }), pool.exec(() => "alive")];
      expect(await Promise.all(calls.map((call) => call.result()))).toMatchObject([died, { value: "alive" }, died, { value: "alive" }]);
      expect([report.mock.calls.length, pool.pendingJobs]).toEqual([2, 0]);
      await pool.shutdown();
    } finally {
      report.mockRestore();
    }
  });

  test("is reported once on stderr, and the parent goes on and ends", async () => {
    const { code, output, errors } = await program(`
      import { ThreadPool } from "tokiwa/threads";
      process.on("uncaughtException", (error) => console.log("uncaught", error));
      const pool = new ThreadPool({ size: 1, name: "w", transport: "${transport}" });
      const results = await Promise.all([pool.exec(() => process.exit(5)).result(), pool.exec(() => "next").result()]);
      console.log(results.map(({ value, reason }) => value ?? reason.code).join());`);
    expect({ code, output }).toEqual({ code: 0, output: "TOKIWA_WORKER_DIED,next" });
    expect(errors).toBe('tokiwa: worker "w-0" died: Error: the worker exited with code 5');
  });

  test("process.exit(0) in a task does not hang the parent, also while it blocks", async () => {
    const { code, output } = await program(`
      import { Runtime } from "tokiwa";
      import { send } from "tokiwa/threads";
      const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 1, transport: "${transport}" });
      const { reason } = await runtime.spawn(send(() => process.exit(0))).result();
      console.log(reason.code);`);
    expect({ code, output }).toEqual({ code: 0, output: "TOKIWA_WORKER_DIED" });
  });

  test("gives back the lock that it held, whatever it died of", async () => {
    const pool = new ThreadPool({ size: 2, transport });
    const mutex = new SharedMutex(1);
    for (const how of [0, 1]) {
      const dying = pool.exec(
        async (m: SharedMutex<number>, way: number) => {
          const guard = await m.lock();
          guard.value = 99;
          if (way === 0) process.exit(0);
          setTimeout(() => {
            throw new Error("outside");
          });
          await tokiwa.sleep(600_000);
        },
        mutex,
        how,
      );
      expect(await dying.result()).toMatchObject(died);
      const guard = await mutex.lock();
      expect(guard.value).toBe(1);
      guard.unlock();
    }
    await pool.shutdown();
  });
});

describe("the file that workers start from", () => {
  const where = `new Error().stack.includes("chunk-") ? "file" : "text"`;

  test("is not given up for a thread whose own module is broken, whether it was the first or not", async () => {
    const { code, output } = await program(`
      import { Thread } from "tokiwa/threads";
      console.error = () => {};
      const module = new TextEncoder().encode("this is no module").buffer;
      for (let n = 0; n < 2; n++) {
        const broken = new Thread({ module });
        console.log((await broken.exec(() => 1).result()).reason.code);
        broken.terminate();
        const thread = new Thread();
        console.log(await thread.exec(() => ${where}));
        thread.terminate();
      }`);
    expect({ code, output }).toEqual({ code: 0, output: "TOKIWA_WORKER_DIED\nfile\nTOKIWA_WORKER_DIED\nfile" });
  });

  test("is given up when it cannot be read, and nothing is said of that", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tokiwa-"));
    await cp(join(root, "dist"), join(folder, "dist"), { recursive: true, filter: (path) => !/\.(map|wasm)$/.test(path) });
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await writeFile(join(folder, "dist", "tokiwa-worker.js"), "this is no module");
    const { code, output, errors } = await program(`
      import { Thread } from ${JSON.stringify(pathToFileURL(join(folder, "dist", "threads.js")).href)};
      for (let n = 0; n < 2; n++) {
        const thread = new Thread();
        console.log(await thread.exec(() => ${where}));
        thread.terminate();
      }`);
    expect({ code, output, errors }).toEqual({ code: 0, output: "text\ntext", errors: "" });
    await rm(folder, { recursive: true });
  });
});

describe("a worker that is no worker of ours", () => {
  /** A worker of the consumer's that answers the start with what it likes. */
  const saying = (what: string) => (): Worker =>
    new NodeWorker(
      `const { parentPort } = require("node:worker_threads");
       parentPort.once("message", ({ port }) => { port.postMessage({ k: "ready" }); port.on("message", (message) => { if (Array.isArray(message)) { const id = message[5]; ${what} } }); });`,
      { eval: true },
    ) as unknown as Worker;

  test.each([
    ["null", "port.postMessage(null)"],
    ["a number", "port.postMessage(42)"],
    ["an unknown kind", 'port.postMessage({ k: "nonsense" })'],
    ["answers without a count", "port.postMessage([])"],
    ["answers with an unknown status", "port.postMessage([1, 77, 1, id, 1, 5])"],
    ["answers for more jobs than they have", "port.postMessage([1, 0, 1, id, 1e9, 5])"],
    ["an offer of an unknown function", 'port.postMessage({ k: "offer", definitions: undefined, jobs: [1, 99, 0] })'],
    ["a failure without an error", 'port.postMessage({ k: "unobserved", error: null })'],
    ["jobs taken back that are no list", 'port.postMessage({ k: "recalled", ids: "all" })'],
  ])("and sends garbage (%s) is ended, and its task rejects", async (_what, post) => {
    for (const transport of transports) {
      const thread = new Thread({ transport, worker: saying(post) });
      const result = await thread.exec(() => 1).result();
      expect(result).toMatchObject({ ...died, reason: { message: expect.stringContaining("no message of this package") } });
      thread.terminate();
    }
  });

  test("and sends what cannot be read is ended", async () => {
    // Node 20 lets a detached buffer be posted, and the receiver gets a messageerror; Node 26 throws in the worker.
    const thread = new Thread({ transport: "messages", worker: saying("const u = new Uint8Array(8); structuredClone(u.buffer, { transfer: [u.buffer] }); port.postMessage({ u }, [u.buffer])") });
    expect(await thread.exec(() => 1).result()).toMatchObject(died);
    thread.terminate();
  });

  test.each(transports)("and dies whenever it is ready is not started for ever (%s)", async (transport) => {
    let started = 0;
    const worker = (): Worker => {
      started++;
      return new NodeWorker('require("node:worker_threads").parentPort.once("message", ({ port }) => { port.postMessage({ k: "ready" }); setTimeout(() => process.exit(9), 5); });', { eval: true }) as unknown as Worker;
    };
    const pool = new ThreadPool({ size: 2, transport, worker });
    const results = await Promise.all([1, 2, 3].map((n) => pool.exec((k: number) => k, n).result()));
    for (const result of results) expect(result).toMatchObject(died);
    expect(started).toBeLessThan(30);
    await pool.shutdown();
  });

  test("and never says that it is ready is given up", { timeout: 60_000 }, async () => {
    const thread = new Thread({ worker: () => new NodeWorker("setInterval(() => {}, 1000)", { eval: true }) as unknown as Worker });
    const { reason } = (await thread.exec(() => 1).result()) as { reason: JoinError };
    expect(reason).toMatchObject({ code: "TOKIWA_WORKER_DIED", message: expect.stringContaining("was not ready") });
    thread.terminate();
  });

  test("is refused when the worker option gives something else", async () => {
    const thread = new Thread({ worker: () => 42 as never });
    const { reason } = (await thread.exec(() => 1).result()) as { reason: JoinError };
    expect(reason).toMatchObject({ code: "TOKIWA_WORKER_DIED", cause: { code: "TOKIWA_BAD_WORKER", message: "the worker option must return a Worker" } });
    thread.terminate();
  });
});

describe.each(transports)("errors of a task (%s)", (transport) => {
  type Any = Error & Record<string, unknown>;
  async function thrownBy(fn: () => unknown): Promise<Any> {
    const thread = new Thread({ transport });
    const { reason } = (await thread.exec(fn as () => never).result()) as { reason: Any };
    thread.terminate();
    return reason;
  }

  test("keep class, name, message, stack, code, cause and own properties", async () => {
    const error = await thrownBy(function thrower() {
      throw Object.assign(new TypeError("outer", { cause: Object.assign(new RangeError("inner"), { n: 1 }) }), { code: "E_MINE", name: "Odd", detail: { list: [1, 2] }, at: new Date(5) });
    });
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ name: "Odd", message: "outer", code: "E_MINE", detail: { list: [1, 2] } });
    expect(error["at"]).toEqual(new Date(5));
    expect(error.stack).toContain("thrower");
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.cause).toMatchObject({ message: "inner", n: 1 });
    expect(Object.keys(error)).not.toContain("stack");
  });

  test("of several causes, of a host's exception, of a cause that is itself", async () => {
    const many = await thrownBy(() => { throw new AggregateError([new TypeError("a"), "b"], "both"); });
    expect(many).toBeInstanceOf(AggregateError);
    expect((many as unknown as AggregateError).errors).toEqual([expect.any(TypeError), "b"]);
    const aborted = await thrownBy(() => { throw new DOMException("stop", "AbortError"); });
    expect(await thrownBy(() => { throw new WebAssembly.RuntimeError("trap"); })).toBeInstanceOf(WebAssembly.RuntimeError);
    expect(aborted).toBeInstanceOf(DOMException);
    expect([aborted.name, aborted.message, aborted["code"]]).toEqual(["AbortError", "stop", 20]);
    const own = await thrownBy(() => {
      const error = new Error("loop");
      error.cause = error;
      throw error;
    });
    expect([own.message, (own.cause as Error).message]).toEqual(["loop", "loop"]);
  });

  test("can set no prototype and run no code here", async () => {
    const error = await thrownBy(() => {
      const evil = new Error("evil");
      Object.defineProperty(evil, "__proto__", { value: { polluted: true }, enumerable: true });
      Object.defineProperty(evil, "constructor", { value: "Function", enumerable: true });
      Object.defineProperty(evil, "trap", { get() { throw new Error("getter"); }, enumerable: true });
      throw evil;
    });
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
    expect("polluted" in error).toBe(false);
    expect(Object.hasOwn(error, "__proto__")).toBe(true);
    expect(error["trap"]).toBe(undefined);
  });

  test("that are no errors, cannot be cloned or cannot even be looked at, settle too", async () => {
    for (const value of [undefined, null, 0, "text", { a: 1 }]) {
      const thread = new Thread({ transport });
      expect(await thread.execJs("throw value", { value }).result()).toEqual({ status: "rejected", reason: value });
      thread.terminate();
    }
    expect(await thrownBy(() => { throw () => 1; })).toMatchObject({ code: "TOKIWA_NOT_CLONEABLE" });
    expect(await thrownBy(() => { throw Symbol("s"); })).toMatchObject({ code: "TOKIWA_NOT_CLONEABLE" });
    expect(await thrownBy(() => { throw new Proxy({}, { get() { throw "no"; }, ownKeys() { throw "no"; }, getPrototypeOf() { throw "no"; } }); })).toMatchObject({ code: "TOKIWA_NOT_CLONEABLE" });
    expect(await thrownBy(() => { throw Object.assign(new Error("kept"), { fn: () => 1, n: 2 }); })).toMatchObject({ message: "kept", n: 2 });
  }, 60_000);                                              // nine workers, one after the other

  test("arguments and results that cannot be cloned fail one call", async () => {
    const pool = new ThreadPool({ size: 1, transport });
    const calls = [
      pool.exec((_: unknown) => 1, Symbol("s") as unknown),
      pool.exec((_: unknown) => 1, { deep: { fn: () => 1 } } as unknown),
      pool.exec((_: unknown) => 1, new WeakMap() as unknown),
      pool.exec((_: unknown) => 1, new CancellationToken() as unknown),
      pool.exec((_: unknown) => 1, new AbortController().signal as unknown),
      pool.exec((_: unknown) => 1, sleep(1) as unknown),
      pool.exec(() => Symbol("s")),
      pool.exec(() => new WeakMap()),
      pool.exec(() => [1, { fn: () => 1 }]),
    ];
    for (const call of calls) expect(((await call.result()) as { reason: TokiwaError }).reason.code).toBe("TOKIWA_NOT_CLONEABLE");
    expect(await pool.exec(() => "alive")).toBe("alive");
    expect(pool.pendingJobs).toBe(0);
    await pool.shutdown();
  });
});

test.each(transports)("a program that is done ends although threads live (%s)", async (transport) => {
  const { code, output } = await program(`
    import { Runtime } from "tokiwa";
    import { send, SharedMutex, sharedChannel, Thread, ThreadPool } from "tokiwa/threads";
    const transport = "${transport}";
    const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, transport });
    const [thread, pool] = [new Thread({ transport }), new ThreadPool({ size: 2, transport })];
    const mutex = new SharedMutex(0);
    const [tx, rx] = sharedChannel(4);
    const touch = async (m, out) => { const guard = await m.lock(); guard.value++; guard.unlock(); await out.send(1); setInterval(() => {}, 1000); return 1; };
    await Promise.all([runtime.spawn(send(touch), mutex, tx), thread.exec(touch, mutex, tx), pool.exec(touch, mutex, tx)]);
    console.log((await mutex.lock()).value);`);
  expect({ code, output }).toEqual({ code: 0, output: "3" });
});
