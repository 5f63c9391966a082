// The channel, lock, task and time suites in pages; see scripts/suite.mjs for the list.
import { afterAll, beforeAll, expect, test } from "vitest";
// @ts-expect-error: a script without types
import { bundleSuite } from "../../scripts/suite.mjs";
import type { Report } from "../hosts/suite/main.ts";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
beforeAll(async () => {
  await bundleSuite();
  harness = await PageHarness.start(["--js-flags=--expose-gc"]);
});
afterAll(() => harness.close());

test.each(["plain", "isolated"] as const)("every test passes in a %s page", async (scenario) => {
  const { value } = await harness.run<Report>(scenario, "build/hosts/suite.mjs", { timeoutMs: 120_000, allowProblems: true });
  expect(value.failed).toEqual([]);
  expect(value.passed).toBeGreaterThan(500);
}, 150_000);
