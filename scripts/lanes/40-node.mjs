// The test suite in Node; then the programs for every host in a process of their own, which must end by itself.
import { runHostPrograms } from "../hosts.mjs";
import { at, filesBelow } from "../lib.mjs";
import { vitest } from "../vitest.mjs";

const OTHER_LANES = /^(browser|model|assembly)\//;
const hasSuite = () => filesBelow(at("test")).some((file) => file.endsWith(".test.ts") && !OTHER_LANES.test(file));

export default {
  name: "node",
  probe: () => undefined,
  async run() {
    const suite = hasSuite() ? await vitest("node") : { passed: 0, failed: 0 };
    const programs = await runHostPrograms(process.execPath);
    return { passed: suite.passed + programs.passed, failed: suite.failed + programs.failed, note: suite.note ?? programs.note };
  },
};
