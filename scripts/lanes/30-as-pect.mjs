// Specs of the core. The `asp` wrapper reports a killed run as success, so the tool is started without it,
// and it has no time limit of its own.
import { lastLines } from "../failures.mjs";
import { node, tool } from "../lib.mjs";

export default {
  name: "as-pect",
  probe: () => undefined,
  async run() {
    const { code, output } = await node(["--enable-source-maps", tool("@as-pect/cli/lib/test.js"), "--summary"], { timeoutMs: 300_000 });
    // eslint-disable-next-line no-control-regex
    const found = /\[Tests\]:\s*(\d+) \/ (\d+)/.exec(output.replace(/\u001b\[[0-9;]*m/g, ""));
    if (!found) return { passed: 0, failed: 1, note: "no summary: it did not compile, or was killed", failures: [lastLines("no summary", output)] };
    const passed = Number(found[1]);
    const failed = Number(found[2]) - passed;
    if (code === 0 && failed === 0) return { passed, failed };
    const marked = output.split("\n").filter((line) => /FAIL|✖|Actual|Expected/i.test(line)).join("\n");
    return { passed, failed: Math.max(1, failed), failures: [{ title: "specs of the core", message: marked || lastLines("", output).message }] };
  },
};
