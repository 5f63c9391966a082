import { afterAll, beforeAll, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

const died = (part: string): [string, unknown] => ["TOKIWA_WORKER_DIED", expect.stringContaining(part)];

test.each([
  ["isolated", "shared"],
  ["isolated", "messages"],
  ["plain", "messages"],
] as const)("workers of a page that die reject their tasks and are replaced (%s page, %s)", async (scenario, transport) => {
  const { value } = await harness.run(scenario, "test/browser/pages/threads-failure.js", { argument: transport, allowProblems: true });
  expect(value).toEqual({
    thrown: died("outside"),
    "thrown, then": "alive",
    closed: died("the worker has closed itself"),
    "closed, then": "alive",
    uncloneable: "TOKIWA_NOT_CLONEABLE",
    aborted: [true, "AbortError", 20],
    missing: died("no worker could be started"),
    "a syntax error": died("no worker could be started"),
    "throws at once": died("at once"),
    nonsense: died("no message of this package"),
    "unknown status": died("no message of this package"),
    "closes when it is ready": died("the worker has closed itself"),
    refuses: died("no worker today"),
    "no worker": died("the worker option must return a Worker"),
    others: [0, 1, "TOKIWA_WORKER_DIED", 3, 4, 5],
    pending: 0,
  });
});
