import { afterAll, beforeAll, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";
import { expectGuestLoop } from "../support/guest-loop.ts";
import type { Scenario } from "../support/server.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

const scenarios: Scenario[] = ["isolated", "plain", "strict"];

test.each(scenarios)("C guests run poll tasks, await a fetch, and suspend 500 stacks without a wrong byte (%s)", async (scenario) => {
  const { value } = await harness.run(scenario, "test/browser/pages/guest.js");
  const outcome = { sum: 70_000, fetched: 200, ended: 500, corrupted: 0, program: 0 };
  expect(value).toEqual({ canBlock: true, first: outcome, second: outcome });
});

test.each(["plain", "strict"] as const)("a guest in lane frame, in a loop of its own, with a million tasks, and after its main (%s)", async (scenario) => {
  const { value } = await harness.run(scenario, "test/browser/pages/guest-loop.js");
  expectGuestLoop(value);
});
