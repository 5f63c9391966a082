// The test suite in Node; then the programs for every host in a process of their own, which must end by itself.
import { runHostPrograms } from "../hosts.mjs";
import { hasTests, vitest } from "../vitest.mjs";

const SUITE = /^(?!browser\/|firefox\/|sqlite\/|model\/|assembly\/).*\.test\.(ts|mjs)$/;

export default {
  name: "node",
  probe: () => undefined,
  async run() {
    const suite = hasTests("test", SUITE) ? await vitest("node") : { passed: 0, failed: 0, failures: [] };
    const programs = await runHostPrograms(process.execPath, ["--expose-gc"]);
    return { passed: suite.passed + programs.passed, failed: suite.failed + programs.failed, note: suite.note ?? programs.note, failures: [...suite.failures, ...programs.failures] };
  },
};
