// Runs the programs of test/hosts, and the suites of scripts/suite.mjs, in a host, and reads the counts that each prints last.
import { basename } from "node:path";
import { failuresOfProgram, lastLines } from "./failures.mjs";
import { at, run } from "./lib.mjs";
import { bundleSuite, SUITE } from "./suite.mjs";

async function counted(command, args, timeoutMs) {
  const { code, output } = await run(command, args, { timeoutMs });
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
  if (!counts) return { passed: 0, failed: 1, note: "it did not report", failures: [lastLines(`${basename(args.at(-1))} did not report`, output)] };
  const failed = Number(counts[2]);
  if (code === 0 || failed > 0) return { passed: Number(counts[1]), failed, failures: failuresOfProgram(output) };
  return { passed: Number(counts[1]), failed: 1, failures: [lastLines(`${basename(args.at(-1))} did not end well (exit code ${code})`, output)] };
}

export async function runHostPrograms(command, args = []) {
  const programs = await counted(command, [...args, at("test/hosts/runner.mjs")], 240_000);
  await bundleSuite();
  const suites = await counted(command, [...args, SUITE], 300_000);
  return { passed: programs.passed + suites.passed, failed: programs.failed + suites.failed, note: programs.note ?? suites.note, failures: [...programs.failures, ...suites.failures] };
}
