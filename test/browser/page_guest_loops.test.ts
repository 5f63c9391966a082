import { afterAll, beforeAll, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

test("a guest built with -pthread: its tasks move between pthreads, and wake each other and the page's own", async () => {
  const { value } = await harness.run("isolated", "test/browser/pages/guest-loops.js", { timeoutMs: 60_000 });
  expect(value).toEqual({ sum: 7000, counted: 200_000, moved: true, tree: 2047, wakes: true, told: 11, slept: [5, 5, 5], early: 0 });
}, 120_000);
