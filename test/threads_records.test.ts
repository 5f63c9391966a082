// The records of shared memory that small jobs lie in: each is used again and again, and what is said of a job must reach that job only.
import { Runtime } from "tokiwa";
import { send } from "tokiwa/threads";
import { afterEach, describe, expect, test } from "vitest";
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

describe("a record", () => {
  test("that is used again takes no second result of the job before", async () => {
    const runtime = multi(1);
    // After a death an outcome can be told twice. Here each is, and the second time comes when its record holds another job.
    await runtime.spawn(send(() => {
      const { postMessage } = MessagePort.prototype as unknown as { postMessage: (...args: unknown[]) => void };
      let before: unknown;
      MessagePort.prototype.postMessage = function (message: { k?: string }, ...rest: unknown[]) {
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
});
