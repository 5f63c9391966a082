import { readdirSync, readFileSync } from "node:fs";
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
    held: ["cancelled", true],
  });
});

test.each(["index.js", "threads.js", "tokiwa-worker.js"])("a page's worker that cannot begin says so at once: without %s beside it another is started from source text", async (missing) => {
  const dist = new URL("../../dist/", import.meta.url);
  const server = await harness.server("plain");
  const folder = `/without-${missing}/`;
  for (const file of readdirSync(dist).filter((name) => name.endsWith(".js"))) server.add(`${folder}${file}`, readFileSync(new URL(file, dist)));
  // threads.js is missing for the worker only: under this name it still has its chunks, and the worker, beside it.
  if (missing === "threads.js") server.add(`${folder}page/threads.js`, readFileSync(new URL("threads.js", dist), "utf8").replaceAll('"./chunk-', '"../chunk-'));
  server.remove(`${folder}${missing}`);
  const { value } = await harness.run<Record<string, [unknown, number]>>("plain", "test/browser/pages/threads-partial.js", { argument: missing === "threads.js" ? `${folder}page/` : folder, allowProblems: true });
  expect(value).toEqual({ started: [3, expect.any(Number)], "no module": [died("no worker could be started"), expect.any(Number)] });
  for (const [, ms] of Object.values(value)) expect(ms).toBeLessThan(12_000);                                       // not START_TIMEOUT, 15 s
});
