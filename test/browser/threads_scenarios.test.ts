import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

describe("scenarios of threads in a page", () => {
  // Without shared memory a lock is messages to the page's own thread, so A11 counts less far there.
  test.each([
    ["isolated", "shared", 100_000],
    ["isolated", "messages", 2000],
    ["plain", "auto", 2000],
    ["plain", "messages", 2000],
  ] as const)("every one gives what it should (%s page, %s)", async (scenario, transport, rounds) => {
    const { value } = await harness.run<Record<string, string>>(scenario, "test/browser/pages/threads-scenarios.js", {
      argument: { transport, settings: { rounds } },
      timeoutMs: 100_000,
    });
    expect(value).toEqual(Object.fromEntries(Object.keys(value).map((title) => [title, "ok"])));
    expect(Object.keys(value).length).toBeGreaterThan(14);
  }, 110_000);

  test("shared memory that is asked for where it is missing is refused by name", async () => {
    const { value } = await harness.run<Record<string, string>>("plain", "test/browser/pages/threads-scenarios.js", { argument: { transport: "shared" }, timeoutMs: 20_000 });
    for (const [title, result] of Object.entries(value)) expect(result, title).toContain('transport must be "auto" or "messages" here: "shared" needs SharedArrayBuffer');
  });
});
