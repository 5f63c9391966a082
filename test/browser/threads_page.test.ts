import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

describe("threads in a page", () => {
  test.each([
    ["isolated", "shared"],
    ["isolated", "messages"],
    ["plain", "auto"],
  ] as const)("scenarios C and D (%s page, %s)", async (scenario, transport) => {
    const { value } = await harness.run(scenario, "test/browser/pages/threads.js", { argument: { bySource: true, transport }, allowProblems: true });
    expect(value).toEqual({
      exec: 3,
      async: -1,
      js: 3,
      jsAsync: -1,
      fib: 3,
      moved: [1 << 20, 0],
      closed: "TOKIWA_WORKER_DIED",
      again: "alive",
      terminated: "TOKIWA_TERMINATED",
      pool: [1, 2, 3, 4],
      pending: 0,
      uneven: true,
      nested: 100,
      blocking: 42,
    });
  });

  test.each(["isolated", "plain"] as const)("locks and channels between threads (%s page)", async (scenario) => {
    const { value } = await harness.run(scenario, "test/browser/pages/threads-shared.js");
    expect(value).toEqual({ counter: 300, tryLock: "locked", elsewhere: scenario === "plain" ? "TOKIWA_NO_SHARED_MEMORY" : "locked", semaphore: [1, 2, 3], leaders: 1, notified: true, sum: 19_900, passed: [1, 2, 3, "told", 0], released: "before" });
  });

  test("blockOn() in a worker of the page's own waits for what comes through shared memory, and says what it cannot wait for", async () => {
    const { value } = await harness.run("isolated", "test/browser/pages/threads-block.js", { allowProblems: true });
    expect(value).toEqual({
      mutex: "after",
      channel: 10,
      job: 42,
      jobs: 9900,
      byMessage: "TOKIWA_WOULD_BLOCK",
      largeResult: "TOKIWA_WOULD_BLOCK",
      promise: "TOKIWA_WOULD_BLOCK",
      usable: 8,
    });
  });

  test.each(["strict", "strict-isolated"] as const)("functions by URL and by name under the strict policy (%s page)", async (scenario) => {
    const { value } = await harness.run(scenario, "test/browser/pages/threads.js", { argument: { bySource: false }, allowProblems: true });
    expect(value).toEqual({ add: 3, blocked: "TOKIWA_EVAL_BLOCKED", many: 5050, exposed: 42 });
  });

  test("in a sandboxed frame, which has no Web Locks, and whose workers start from source text", async () => {
    const { value } = await harness.run("open", "test/browser/pages/threads-sandbox.js", { allowProblems: true });
    expect(value).toEqual([42, 2, "TOKIWA_TERMINATED", 7, expect.stringContaining("the worker has closed itself"), 7, "cancelled", true]);
  });
});
