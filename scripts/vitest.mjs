// Runs one project of vitest.config.ts and counts its tests.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { failuresOfVitest, lastLines } from "./failures.mjs";
import { at, run, tool } from "./lib.mjs";

export async function vitest(project, { nodePath = process.execPath, timeoutMs = 600_000, env } = {}) {
  const report = at(`build/vitest-${project}.json`);
  rmSync(report, { force: true });
  const args = [tool("vitest/vitest.mjs"), "run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const { code, timedOut, output } = await run(nodePath, args, { timeoutMs, env });
  if (!existsSync(report)) {
    const note = timedOut ? `killed after ${timeoutMs} ms` : "vitest did not report";
    return { passed: 0, failed: 1, note, failures: [lastLines(note, output)] };
  }
  const told = JSON.parse(readFileSync(report, "utf8"));
  const { numPassedTests: passed, numFailedTests, numFailedTestSuites } = told;
  // A file that does not load, and an error outside any test, count as one failure.
  const failed = numFailedTests > 0 ? numFailedTests : numFailedTestSuites;
  if (code === 0 || failed > 0) return { passed, failed, failures: failuresOfVitest(told) };
  return { passed, failed: 1, failures: [lastLines("an error outside of any test", output.slice(output.lastIndexOf("Unhandled Errors")))] };
}
