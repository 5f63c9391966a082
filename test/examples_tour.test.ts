// The tour without its benchmark: every program of examples/tour, with its check, on a host without a terminal.
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

test("every program of the tour prints what it should", { timeout: 120_000 }, async () => {
  const programs = readdirSync(at("examples/tour/scenarios")).length;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [at("examples/tour/main.mjs"), "--no-bench"], { timeout: 110_000 });
  expect(stdout).toContain(`all ${programs} programs gave what they should`);
  expect(stdout).toContain("current-thread runtime computed: 42");
  expect(stdout).toContain("timer fired; sum = 1249999975000000");
  expect(stdout).toContain("sum of iterations 44 841 052");
  expect(stdout).not.toContain("\x1b");                    // no terminal, no control sequences
  expect(stderr).toBe("");
});
