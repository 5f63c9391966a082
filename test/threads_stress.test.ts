// Many operations on real threads: no job is lost, none runs twice, whoever is killed.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker as NodeWorker } from "node:worker_threads";
import { Runtime, sleep } from "tokiwa";
import { send } from "tokiwa/threads";
import { afterEach, describe, expect, test } from "vitest";
import { QUEUED, RECORD_BYTES, RECORD_STATE } from "../assembly/pool-layout.ts";
import { seed } from "./support/lanes.ts";
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

describe("the pool module, on three threads", () => {
  test("10^7 operations: what was queued is started once and comes back once", async () => {
    const BASE = 1024;
    const SLOT_BITS = 10;
    const THREADS = 4;
    const JOBS = 700_000;                                  // each is queued, started, posted and collected: at least four operations, and as many tries
    const bytes = readFileSync(fileURLToPath(new URL("../build/pool.wasm", import.meta.url)));
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
    const source = `
      const { workerData: { bytes, memory, thread, jobs }, parentPort } = require("node:worker_threads");
      const calls = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
      calls.join(${BASE}, ${THREADS}, ${SLOT_BITS}, thread, 1);
      const words = new Int32Array(memory.buffer);
      const records = calls.recordAt(0), scratch = calls.scratchAt(thread) >> 2;
      const free = Array.from({ length: 1 << ${SLOT_BITS} }, (_, i) => thread << ${SLOT_BITS} | i);
      let spawned = 0, started = 0, back = 0, operations = 0;
      const post = (record) => { words[scratch] = record; calls.post(record >> ${SLOT_BITS}, 1); operations++; };
      calls.begin();
      for (;;) {
        for (let k = 0; k < 5 && spawned < jobs && free.length > 0; k++) {
          const record = free.pop();
          words[(records + record * ${RECORD_BYTES} + ${RECORD_STATE}) >> 2] = ${QUEUED};
          if (calls.push(record) !== 0) throw new Error("full");
          calls.wakeOne();
          spawned++;
          operations += 2;
        }
        const record = calls.next();
        operations++;
        if (record >= 0) { started++; post(record); }
        const count = calls.collect();
        operations++;
        for (let i = 0; i < count; i++) free.push(words[scratch + i]);
        back += count;
        if (back === jobs) {
          if (Atomics.load(words, 0) === 3) break;
          if (spawned === jobs && !this.told) { this.told = true; Atomics.add(words, 0, 1); }
        }
        if (record < 0 && count === 0 && calls.fallAsleep() === 1) { calls.sleep(1); calls.wakeUp(); }
      }
      parentPort.postMessage({ spawned, started, back, distinct: new Set(free).size, operations });`;
    const results = await Promise.all(
      [1, 2, 3].map(
        (thread) =>
          new Promise<{ spawned: number; started: number; back: number; distinct: number; operations: number }>((resolve, reject) => {
            const worker = new NodeWorker(source, { eval: true, workerData: { bytes, memory, thread, jobs: JOBS } });
            worker.on("message", resolve).on("error", reject);
          }),
      ),
    );
    const sum = (key: "spawned" | "started" | "back" | "operations"): number => results.reduce((total, result) => total + result[key], 0);
    expect({ spawned: sum("spawned"), started: sum("started"), back: sum("back") }).toEqual({ spawned: 3 * JOBS, started: 3 * JOBS, back: 3 * JOBS });
    expect(results.map(({ distinct }) => distinct)).toEqual([1 << SLOT_BITS, 1 << SLOT_BITS, 1 << SLOT_BITS]);
    expect(sum("operations")).toBeGreaterThan(1e7);
  }, 120_000);
});

describe.each(transports)(`a runtime whose workers are killed at random (%s), TOKIWA_SEED=${seed}`, (transport) => {
  let state = seed;
  const random = (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % n;
  };

  test("every job ends: with its own value, or because its worker died; spawned ones too", async () => {
    const workers: NodeWorker[] = [];
    const entry = new URL("../dist/tokiwa-worker.js", import.meta.url);
    const runtime = multi({
      workerThreads: 2,
      transport,
      worker: () => {
        const worker = new NodeWorker(entry);
        workers.push(worker);
        return worker as unknown as Worker;
      },
    });
    const job = send(async (n: number) => {
      if (n % 5 !== 0) return n;
      const child = tokiwa.send((m: number) => m * 2);
      const values = await Promise.all([tokiwa.spawn(child, n), tokiwa.spawn(child, n + 1)]);
      return n + values[0] + values[1];
    });
    let fulfilled = 0;
    let died = 0;
    for (let round = 0; round < 12; round++) {
      const handles = Array.from({ length: 500 }, (_, n) => runtime.spawn(job, n).result());
      await sleep(random(12));
      const ended = workers[workers.length - 1 - random(2)]?.terminate();
      for (const [n, result] of (await Promise.all(handles)).entries()) {
        if (result.status === "fulfilled") {
          fulfilled++;
          expect(result.value).toBe(n % 5 === 0 ? 5 * n + 2 : n);
        } else {
          died++;
          expect(result).toMatchObject({ status: "rejected", reason: { code: "TOKIWA_WORKER_DIED" } });
        }
      }
      await ended;                                         // or the next job may start in a thread that is about to end
    }
    expect(fulfilled + died).toBe(12 * 500);
    expect(fulfilled).toBeGreaterThan(0);
    expect(await runtime.spawn(send(() => "alive"))).toBe("alive");
  }, 60_000);

  test("jobs that end their worker take nobody along but what has started there", async () => {
    const runtime = multi({ workerThreads: 2, transport });
    const job = send((n: number, isFatal: boolean) => {
      if (isFatal) process.exit(0);
      return n;
    });
    for (let round = 0; round < 5; round++) {
      const fatal = random(200);
      const results = await Promise.all(Array.from({ length: 200 }, (_, n) => runtime.spawn(job, n, n === fatal).result()));
      expect(results[fatal]).toMatchObject({ status: "rejected", reason: { code: "TOKIWA_WORKER_DIED" } });
      for (const [n, result] of results.entries()) {
        if (result.status === "fulfilled") expect(result.value).toBe(n);
        else expect(result).toMatchObject({ reason: { code: "TOKIWA_WORKER_DIED" } });
      }
      if (transport === "shared") expect(results.filter(({ status }) => status === "rejected").length).toBe(1);
    }
  }, 60_000);
});
