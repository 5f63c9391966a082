// The test suite in Node; then the programs for every host in a process of their own, which must end by itself.
import { runHostPrograms } from "../hosts.mjs";
import { vitest } from "../vitest.mjs";

export default {
  name: "node",
  probe: () => undefined,
  async run() {
    const suite = await vitest("node");
    const programs = await runHostPrograms(process.execPath, ["--expose-gc"]);
    return { passed: suite.passed + programs.passed, failed: suite.failed + programs.failed, note: suite.note ?? programs.note, failures: [...suite.failures, ...programs.failures] };
  },
};
