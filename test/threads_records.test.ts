// The records of shared memory that small jobs lie in: each is used again and again, and what is said of a job must reach that job only.
import { Runtime } from "tokiwa";
import { send } from "tokiwa/threads";
import { afterEach, describe, expect, test } from "vitest";
import { RECORD_GENERATION } from "../assembly/pool-layout.ts";
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
  readonly exports: { recordAt(record: number): number };
  readonly words: Int32Array;
}

/** What `make` brings into being, and this thread's instance of the core of its pool. */
function withCore<T>(make: () => T): [T, PoolCore] {
  const { Instance } = WebAssembly;
  const made: PoolCore[] = [];
  const spy = function (module: WebAssembly.Module, imports: { env: { memory: WebAssembly.Memory } }): WebAssembly.Instance {
    const instance = new Instance(module, imports);
    if ("recordAt" in instance.exports) made.push({ exports: instance.exports as unknown as PoolCore["exports"], words: new Int32Array(imports.env.memory.buffer) });
    return instance;
  };
  WebAssembly.Instance = spy as unknown as typeof Instance;
  try {
    return [make(), made.at(-1)!];
  } finally {
    WebAssembly.Instance = Instance;
  }
}

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
});
