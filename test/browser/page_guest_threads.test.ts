import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

test.each(["plain", "isolated", "strict"] as const)("C and Rust guests run functions of theirs on other threads, with and without shared memory (%s)", async (scenario) => {
  const allowsSource = scenario !== "strict";
  const { value } = await harness.run(scenario, "test/browser/pages/guest-threads.js", { argument: { allowsSource }, timeoutMs: 120_000 });
  const julia = 4 * 44_841_052;
  const c = { exec: allowsSource ? 104 : 103, fib: 103, executors: 8 * 42, julia, blocking: 100 + 4 * 21 };
  expect(value).toEqual({
    isolated: scenario === "isolated",
    c,
    plain: c,
    rust: {
      ...(allowsSource ? { exec: 3 - 10 + 300 - 1000 } : {}),
      fib: 3,
      executors: 4 * 42 + 4 * 42_000,
      julia,
      struct: 501,
      errors: 1 + 20 + 300 + 4000,
      blocking: 100 + 1_249_999_975_000_000,
    },
  });
}, 130_000);

test.each(["plain", "isolated", "strict"] as const)("threads start from a worker that a bundler has made, and get imports of their own (%s)", async (scenario) => {
  const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: ["guest-own-worker", "guest-worker"].map((name) => path(`pages/${name}.js`)),
    bundle: true,
    format: "esm",
    write: false,
    outdir: "/bundled",
    external: ["node:*"],
    logLevel: "error",
  });
  const server = await harness.server(scenario);
  for (const { path: file, text } of outputFiles) server.add(file, text);
  const { value } = await harness.run<{ results: unknown[]; started: number }>(scenario, "bundled/guest-own-worker.js", { timeoutMs: 60_000, allowProblems: true });
  // The package's own worker is a text inside of the bundle there, which the strict policy forbids: TK_EDIED.
  const packaged = scenario === "strict" ? expect.stringContaining("error -20") : 1042;
  expect(value).toEqual({ results: [1042, 1042, packaged, expect.stringContaining("error -21"), expect.stringContaining("error -21")], started: 4 });
});
