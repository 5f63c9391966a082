import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
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

test.each(scenarios)("two copies of the package run guests side by side, with stacks and threads (%s)", async (scenario) => {
  const server = await harness.server(scenario);
  const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
  for (const name of readdirSync(dist).filter((file) => /\.(js|wasm)$/.test(file))) server.add(`/copy/dist/${name}`, readFileSync(dist + name));
  const { value } = await harness.run(scenario, "test/browser/pages/guest-copies.js", { timeoutMs: 60_000 });
  const exercised = { sum: 70_000, fetched: 200, ended: 500, corrupted: 0, program: 0 };
  expect(value).toEqual({
    areTwo: true,
    exercised: [exercised, exercised],
    fibs: [102, 102],
    awaited: 700,
    refused: expect.stringContaining("of this copy of the package"),
    after: 7,
  });
});
