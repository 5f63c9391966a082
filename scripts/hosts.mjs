// Runs the programs of test/hosts in a host and reads the counts that it prints last.
import { at, run } from "./lib.mjs";

export async function runHostPrograms(command, args = []) {
  const { code, output } = await run(command, [...args, at("test/hosts/runner.mjs")], { timeoutMs: 60_000 });
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
  if (!counts) return { passed: 0, failed: 1, note: "it did not report" };
  const failed = Number(counts[2]);
  return { passed: Number(counts[1]), failed: code === 0 ? failed : Math.max(1, failed) };
}
