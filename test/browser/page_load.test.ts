import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";
import type { Scenario } from "../support/server.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

describe("kinds of page", () => {
  test.each([
    ["isolated", { isolated: true, evaluates: true, compiles: true }],
    ["plain", { isolated: false, evaluates: true, compiles: true }],
    ["strict", { isolated: false, evaluates: false, compiles: true }],
    ["strict-isolated", { isolated: true, evaluates: false, compiles: true }],
    ["no-wasm", { isolated: false, evaluates: false, compiles: false }],
  ] as const)("the %s page is what its headers say", async (scenario, expected) => {
    const { value } = await harness.run(scenario, "test/browser/pages/kind.js", { allowProblems: true });
    expect(value).toEqual(expected);
  });

  test("the harness reports a policy violation as a problem", async () => {
    await expect(harness.run("strict", "test/browser/pages/kind.js")).rejects.toThrow("policy: script-src blocked eval");
  });

  test("the harness reports a program that does not exist", async () => {
    await expect(harness.run("plain", "test/browser/pages/none.js")).rejects.toThrow("404");
  });
});

describe("the package in a page", () => {
  const scenarios: Scenario[] = ["isolated", "plain", "strict", "strict-isolated"];

  test.each(scenarios)("a spawned task sleeps and returns its value (%s)", async (scenario) => {
    const { value } = await harness.run(scenario, "test/browser/pages/smoke.js");
    expect(value).toEqual({ spawned: 42, ran: "done" });
  });

  test.each(scenarios)("the programs for every host pass (%s)", async (scenario) => {
    const { value } = await harness.run<Record<string, string>>(scenario, "test/browser/pages/hosts.js");
    expect(value).toEqual(Object.fromEntries(Object.keys(value).map((title) => [title, "ok"])));
  });
});
