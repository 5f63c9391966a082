// Runs the programs of test/hosts in a host and adds up what they count. Each prints `N passed, N failed` last.
import { at, filesBelow, run } from "./lib.mjs";

export const hostPrograms = () => filesBelow(at("test/hosts")).filter((file) => file.endsWith(".mjs"));

export async function runHostPrograms(command, args) {
  const total = { passed: 0, failed: 0 };
  for (const program of hostPrograms()) {
    const { code, output } = await run(command, [...args, at("test/hosts", program)], { timeoutMs: 60_000 });
    const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
    total.passed += counts ? Number(counts[1]) : 0;
    total.failed += code === 0 && counts ? Number(counts[2]) : Math.max(1, counts ? Number(counts[2]) : 0);
  }
  return total;
}
