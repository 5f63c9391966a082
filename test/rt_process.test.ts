// Whole programs in processes of their own: when they end, how, and what they print. Node 26 too, where it is installed.
import { spawn as start } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NODE26 = process.env["NODE26_PATH"] ?? fileURLToPath(new URL("../.nodes/26/node_modules/.bin/node", import.meta.url));
const nodes: [string, string][] = [["this Node", process.execPath]];
if (existsSync(NODE26)) nodes.push(["Node 26", NODE26]);

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

/** Runs `source` as a module with the names of the package in scope; killed after 20 s (code null). */
function program(node: string, source: string, before = ""): Promise<Ended> {
  const text = `${before}\nconst DIST = ${JSON.stringify(new URL("../dist/index.js", import.meta.url).href)};\nconst t = await import(DIST);
const { run, Runtime, spawn, sleep, future, PENDING, taskBuilder, interval, yieldNow, fromPromise, join } = t;\n${source}`;
  return new Promise((resolve) => {
    const began = performance.now();
    const child = start(node, ["--input-type=module", "--expose-gc", "-e", text], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], timeout: 50_000 });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => { out += chunk; });
    child.stderr.setEncoding("utf8").on("data", (chunk) => { err += chunk; });
    child.on("close", (code) => resolve({ code, out, err, ms: performance.now() - began }));
  });
}

describe.each(nodes)("%s", (_, node) => {
  test("a program that ends exits by itself", async () => {
    expect(await program(node, `console.log(await spawn(async () => { await sleep(5); return "done"; }));`)).toMatchObject({ code: 0, out: "done\n", err: "" });
  }, 60_000);

  test("console.log() of a handle is a line", async () => {
    expect(await program(node, `const handle = taskBuilder({ name: "fetch" }).spawn(() => 1); await handle; console.log(handle, [handle].length);`))
      .toMatchObject({ code: 0, out: expect.stringMatching(/^JoinHandle {"id":\d+,"name":"fetch","isFinished":true} 1\n$/) });
  }, 60_000);

  test("it stays alive while a task sleeps, though nobody awaits it, and ends then", async () => {
    expect(await program(node, `const [late, early] = [t.Instant.now().add(100), t.Instant.now().add(50)]; spawn(async () => { await t.sleepUntil(late); console.log("slept"); }); spawn(function* () { yield* t.sleepUntil(early); console.log("generator"); });`)).toMatchObject({ code: 0, out: "generator\nslept\n" });
  }, 60_000);

  test("dozens of runs, tasks with one signal and waits for Ctrl-C are no leak of listeners to the host", async () => {
    expect(await program(node, `
      const { ctrlC, signal } = await import(new URL("net.js", DIST).href);
      await Promise.all(Array.from({ length: 30 }, () => run(() => sleep(5))));
      const controller = new AbortController();
      const tasks = Array.from({ length: 30 }, () => taskBuilder({ signal: controller.signal }).spawn(() => sleep(60_000)));
      const quits = Array.from({ length: 30 }, () => spawn(ctrlC()));
      const hangUps = Array.from({ length: 30 }, () => spawn(signal("SIGHUP").recv()));
      await sleep(5);
      controller.abort("all");
      process.kill(process.pid, "SIGINT");
      process.kill(process.pid, "SIGHUP");
      for (const task of tasks) if ((await task.result()).reason.cause !== "all") throw new Error("not aborted");
      for (const wait of [...quits, ...hangUps]) await wait;
      console.log(process.listenerCount("SIGINT"), process.listenerCount("beforeExit"));
    `)).toMatchObject({ code: 0, out: "0 0\n", err: "" });
  }, 60_000);

  test("a task that nothing can wake does not keep it alive", async () => {
    expect(await program(node, `spawn(future(() => PENDING)); spawn(async () => { await new Promise(() => {}); }); console.log("main");`)).toMatchObject({ code: 0, out: "main\n" });
  }, 60_000);

  test("an aborted sleep does not hold it", async () => {
    const { code, ms } = await program(node, `const h = spawn(async () => { await sleep(60_000); }); await sleep(5); h.abort(); await h.result(); const s = sleep(60_000); s.poll({ wake() {} }); s[Symbol.dispose]();`);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(40_000);
  }, 60_000);

  test("a stuck run() is a DeadlockError that names the tasks, instead of an exit in silence", async () => {
    const { code, err } = await program(node, `await run(async () => {
      taskBuilder({ name: "reader" }).spawn(function* () { yield* future(() => PENDING); });
      await spawn(async function waiting() { await future(() => PENDING); });
    });`);
    expect(code).toBe(1);
    expect(err).toMatch(/DeadlockError/);
    expect(err).toMatch(/TOKIWA_DEADLOCK/);
    expect(err).toMatch(/reader/);
  }, 60_000);

  test("each stuck run() is told, however many come one after the other", async () => {
    expect(await program(node, `for (let i = 0; i < 3; i++) await run(function* () { yield* new t.Notify().notified(); }).catch((error) => console.log(i, error.code));`))
      .toMatchObject({ code: 0, out: "0 TOKIWA_DEADLOCK\n1 TOKIWA_DEADLOCK\n2 TOKIWA_DEADLOCK\n", err: "" });
  }, 60_000);

  test("a stuck run() can be caught, and its finally blocks run", async () => {
    expect(await program(node, `try {
      await run(function* () { try { yield* future(() => PENDING); } finally { console.log("finally"); } });
    } catch (error) { console.log(error.name, error.code, error.tasks.length); }
    console.log(await run(async () => "again"));`)).toMatchObject({ code: 0, out: "finally\nDeadlockError TOKIWA_DEADLOCK 1\nagain\n" });
  }, 60_000);

  test("a failure that nobody asks about is reported once, as the host reports unhandled rejections", async () => {
    const { code, err } = await program(node, `spawn(async () => { throw new Error("nobody asked"); });`);
    expect(code).toBe(1);
    expect(err.match(/Error: nobody asked/g)).toHaveLength(1);
  }, 60_000);

  test("it is reported once for each way to find out, never for what was asked about, never for cancellations", async () => {
    const { code, out } = await program(node, `
      let reports = [];
      process.on("unhandledRejection", (error) => { reports.push(error.message); });
      const fail = (message) => spawn(function* () { throw new Error(message); });
      const disposed = fail("disposed"); disposed[Symbol.dispose]();
      (() => void fail("collected"))();
      const asked = fail("asked"); asked.result();
      const awaited = fail("awaited"); const late = fail("late");
      spawn(async () => { await sleep(60_000); }).abort();
      await sleep(20);
      await awaited.catch?.(() => {}) ?? awaited.then(() => {}, () => {});
      for (let i = 0; i < 20 && !reports.includes("collected"); i++) { gc(); await sleep(10); }
      await late.then(() => {}, () => {});
      const runtime = new Runtime(); const kept = runtime.spawn(() => { throw new Error("at shutdown"); });
      await sleep(5); await runtime.shutdown(); await sleep(5);
      globalThis.atEnd = fail("at the end");
      process.on("exit", () => console.log(reports.sort().join()));
    `);
    expect(out).toBe("at shutdown,at the end,collected,disposed\n");
    expect(code).toBe(0);
  }, 60_000);

  test("spawning many that fail and awaiting them in order is safe", async () => {
    expect(await program(node, `
      const handles = Array.from({ length: 20 }, (_, i) => spawn(async () => { await sleep(i % 3); throw new Error("e" + i); }));
      await sleep(50);
      let n = 0;
      for (const h of handles) { try { await h; } catch { n++; } }
      console.log(n);`)).toMatchObject({ code: 0, out: "20\n", err: "" });
  }, 60_000);

  test("blockOn in a worker waits for its timers", async () => {
    expect(await program(node, `
      const { Worker } = await import("node:worker_threads");
      const source = "import(" + JSON.stringify(DIST) + ").then(" + (({ Runtime, Instant, sleepUntil, join }) => {
        const runtime = new Runtime();
        const lines = [];
        const begun = Instant.now();
        function* tick(n) { yield* sleepUntil(begun.add(300 + 10 * n)); lines.push("tick " + n); }
        runtime.blockOn(function* () { yield* join(runtime.spawn(tick, 3), runtime.spawn(tick, 1), runtime.spawn(tick, 2)); });
        require("node:worker_threads").parentPort.postMessage(lines.join());
      }) + ")";
      const worker = new Worker(source, { eval: true, execArgv: [] });
      worker.on("message", (message) => console.log(message));
    `)).toMatchObject({ code: 0, out: "tick 1,tick 2,tick 3\n" });
  }, 60_000);

  test("a host clock that jumps back moves nothing back, and no sleep hangs or is early", async () => {
    expect(await program(node, `
      const start = Instant.now();
      await sleep(20);
      const before = Instant.now().ms;
      globalThis.shift = -5000;
      const later = Instant.now().ms;
      await sleep(20);
      const handle = spawn(function* () { yield* sleep(20); return "ok"; });
      console.log(await handle, later >= before, Instant.now().ms >= before);
    `.replace("const start", "const { Instant } = t; const start"), `
      globalThis.shift = 0; const real = process.hrtime;
      process.hrtime = () => { const [s, ns] = real(); return [s + globalThis.shift / 1000, ns]; };`)).toMatchObject({ code: 0, out: "ok true true\n" });
  }, 60_000);

  test("its clock counts from where performance.now() does", async () => {
    expect(await program(node, `
      const differences = Array.from({ length: 20 }, () => Math.abs(t.Instant.now().ms - performance.now()));
      console.log(Math.min(...differences) < 5);`)).toMatchObject({ code: 0, out: "true\n" });
  }, 60_000);

  test("what workers print comes out, however many they are, and they let the process end", async () => {
    expect(await program(node, `
      const runtime = new Runtime({ maxBlockingThreads: 12 });
      await Promise.all(Array.from({ length: 12 }, () => runtime.spawnBlocking(() => { console.log("out"); console.error("err"); })));
      console.log("done");`)).toMatchObject({ code: 0, out: expect.stringMatching(/^(out\n|done\n){13}$/), err: "err\n".repeat(12) });
  }, 60_000);

  // The second line is sent when the first was received, and by then the main program may have nothing left to do.
  test.each(["shared", "messages"])("lines that a job prints come out, all and in order, before the process or the runtime ends: %s", async (transport) => {
    const lines = (n: number): string => Array.from({ length: n }, (_, i) => `line ${i}\n`).join("");
    for (const end of ["", "await runtime.shutdown();", "for (let i = 0; i < 20; i++) { await sleep(1); await runtime.spawn(send(() => {})); }"]) {
      const { code, out, err } = await program(node, `
        const { send } = await import(new URL("threads.js", DIST).href);
        const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, transport: "${transport}" });
        await runtime.spawn(send((n) => { for (let i = 0; i < n; i++) (i % 2 ? console.log : console.error)("line " + i); }), 1000);
        ${end}`);
      expect({ code, lines: [...(out + err).matchAll(/\d+/g)].length }).toEqual({ code: 0, lines: 1000 });
      expect([out, err]).toEqual([lines(1000).replace(/line \d*[02468]\n/g, ""), lines(1000).replace(/line \d*[13579]\n/g, "")]);
    }
  }, 60_000);

  test("what the workers of a worker print comes out, and of a task that failed unobserved both the lines and the error", async () => {
    const { code, out, err } = await program(node, `
      const { send } = await import(new URL("threads.js", DIST).href);
      const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 1 });
      await runtime.spawn(send(async (url) => {
        const { Runtime } = await import(url);
        const { send } = await import(new URL("threads.js", url).href);
        await new Runtime({ flavor: "multi-thread", workerThreads: 1 }).spawn(send(() => { for (let i = 0; i < 300; i++) console.log("nested"); }));
      }), DIST);
      globalThis.kept = runtime.spawn(send(() => { for (let i = 0; i < 300; i++) console.log("failing"); throw new Error("unobserved"); }));`);
    expect({ code, nested: out.split("nested").length - 1, failing: out.split("failing").length - 1 }).toEqual({ code: 1, nested: 300, failing: 300 });
    expect(err).toContain("unobserved");
  }, 60_000);

  // Its output is waited for, for a second at most: the shutdown that began first is the last to end.
  test.each(["shared", "messages"])("a worker that prints and then never rests again holds up no shutdown for longer than its timeout: %s", async (transport) => {
    expect(await program(node, `
      const { send } = await import(new URL("threads.js", DIST).href);
      const [patient, hasty] = [1, 2].map(() => new Runtime({ flavor: "multi-thread", workerThreads: 1, transport: "${transport}" }));
      const words = new Int32Array(new SharedArrayBuffer(4));
      const print = send((held) => { console.log("printed"); setTimeout(() => { Atomics.add(held, 0, 1); for (;;); }); });
      await Promise.all([patient, hasty].map((runtime) => runtime.spawn(print, words)));
      while (Atomics.load(words, 0) < 2) await sleep(1);
      await Promise.all([patient.shutdown().then(() => console.log("patient")), hasty.shutdown({ timeout: 1 }).then(() => console.log("hasty"))]);`)).toMatchObject({ code: 0, out: expect.stringMatching(/hasty\n(printed\n)*patient\n$/) });
  }, 60_000);

  test.each(["shared", "messages"])("tasks that a job leaves behind keep the process alive as those of the main program do: %s", async (transport) => {
    const { code, out, err } = await program(node, `
      const { send, Thread } = await import(new URL("threads.js", DIST).href);
      const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, transport: "${transport}" });
      await runtime.spawn(send(() => {
        const leave = () => tokiwa.spawn(tokiwa.send(async () => { await tokiwa.sleep(30); await tokiwa.sleep(60); console.log("slept"); }));
        leave();
        for (let i = 0; i < 20; i++) tokiwa.spawn(tokiwa.send((i) => { const end = Date.now() + 5; while (Date.now() < end); console.log("busy " + i); }), i);
        tokiwa.spawn(function* () { yield* tokiwa.sleep(50); console.log("closure"); });
        tokiwa.spawn(async () => { await new Promise(() => {}); });
        tokiwa.spawn(function* () { yield* tokiwa.spawnBlocking(() => { const end = Date.now() + 150; while (Date.now() < end); }); console.log("blocked"); });
      }));
      await new Thread({ transport: "${transport}" }).exec(() => { tokiwa.spawn(async () => { await tokiwa.sleep(40); console.log("thread"); }); });`);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.trim().split("\n").sort()).toEqual([...Array.from({ length: 20 }, (_, i) => `busy ${i}`), "blocked", "closure", "slept", "thread"].sort());
  }, 60_000);

  test("a wait at a shared primitive that no other thread knows is a DeadlockError of run(), and a chain of such waits runs to its end", async () => {
    const { code, out, err } = await program(node, `
      const { SharedSemaphore, sharedChannel } = await import(new URL("threads.js", DIST).href);
      await run(function* () { yield* new SharedSemaphore(0).acquire(); }).catch((error) => console.log(error.code, /a permit of a SharedSemaphore/.test(error.message)));
      await run(async () => sharedChannel(1)[1].recv()).catch((error) => console.log(error.code));
      const gates = Array.from({ length: 50 }, () => new SharedSemaphore(0));
      for (let i = 1; i < 50; i++) spawn(async () => { await gates[i - 1].acquire(); gates[i].addPermits(1); });
      spawn(function* () { yield* gates[49].acquire(); console.log("the last one"); });
      await sleep(1);
      gates[0].addPermits(1);`);
    expect({ code, out, err }).toEqual({ code: 0, out: "TOKIWA_DEADLOCK true\nTOKIWA_DEADLOCK\nthe last one\n", err: "" });
  }, 60_000);

  test.each(["shared", "messages"])("a failure in a worker that nobody asks about is reported once, by the runtime it belongs to, and kills nobody: %s", async (transport) => {
    const before = `
      const { send } = await import(new URL("threads.js", DIST).href);
      const fail = send((how, message) => {
        const handle = tokiwa.spawn(tokiwa.send((message) => { throw new RangeError(message); }), message);
        const closure = tokiwa.spawn(function* () { yield* tokiwa.sleep(1); throw new RangeError(message + " closure"); });
        globalThis.kept = [...(globalThis.kept ?? []), handle, closure];
        if (how === "dispose") for (const one of [handle, closure]) one[Symbol.dispose]();
        if (how === "ask") return Promise.all([handle.result(), closure.result()]).then(() => 0);
        return how === "stay" ? tokiwa.sleep(100) : undefined;
      });
      const multi = (options) => new Runtime({ flavor: "multi-thread", workerThreads: 1, transport: "${transport}", ...options });`;
    const plain = await program(node, `${before} await multi().spawn(fail, "leave", "lost");`);
    expect([plain.code, plain.err.includes("RangeError: lost")]).toEqual([1, true]);
    expect(await program(node, `${before}
      const seen = [];
      process.on("unhandledRejection", (error) => seen.push(error.name + ": " + error.message));
      const runtime = multi();
      const stays = runtime.spawn(fail, "ask", "asked").then(() => runtime.spawn(fail, "stay", "left"));
      await runtime.spawn(fail, "dispose", "detached");
      await stays;
      await sleep(5);
      console.log(seen.sort().join(", "));
      await runtime.shutdown();
      await sleep(5);
      console.log(seen.sort().join(", "));
      await multi({ unhandledFailure: "ignore" }).spawn(fail, "leave", "ignored");`))
      .toEqual({ code: 0, out: "RangeError: detached, RangeError: detached closure\nRangeError: detached, RangeError: detached closure, RangeError: left, RangeError: left closure\n", err: "", ms: expect.any(Number) });
    expect(await program(node, `${before}
      const strict = multi({ unhandledFailure: "shutdown" });
      await strict.run(async () => { await strict.spawn(fail, "leave", "fatal"); await sleep(10_000); }).catch((error) => console.log(error.message));`)).toMatchObject({ code: 0, out: "fatal\n", err: "" });
  }, 60_000);

  test("a worker that prints and then never rests again does not keep the process alive", async () => {
    expect(await program(node, `
      const { send } = await import(new URL("threads.js", DIST).href);
      const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 1 });
      const begun = new Int32Array(new SharedArrayBuffer(4));
      const endless = runtime.spawn(send((begun) => { console.log("begun"); Atomics.store(begun, 0, 1); for (;;); }), begun);
      while (Atomics.load(begun, 0) === 0) await sleep(5);
      endless.abort("enough", { detach: true });
      console.log((await endless.result()).status);`)).toMatchObject({ code: 0, out: expect.stringMatching(/^(begun\n|cancelled\n){2}$/) });
  }, 60_000);

  test("a shutdown with a task that never ends holds nothing up beyond its timeout", async () => {
    expect(await program(node, `
      const runtime = new Runtime();
      runtime.spawn(async () => { await new Promise(() => {}); });
      await sleep(5);
      await runtime.shutdown({ timeout: 50 });
      console.log("over");`)).toMatchObject({ code: 0, out: "over\n" });
  }, 60_000);

  test("a live interval keeps it alive until it is dropped", async () => {
    expect(await program(node, `
      let n = 0;
      const h = spawn(async () => { for await (const _ of interval(5)) if (++n === 3) break; });
      h.then(() => console.log(n));`)).toMatchObject({ code: 0, out: "3\n" });
  }, 60_000);
});
