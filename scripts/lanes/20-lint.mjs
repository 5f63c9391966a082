import { lastLines } from "../failures.mjs";
import { node, tool } from "../lib.mjs";

const FOLDERS = ["bindings", "test", "scripts", "bench", "examples"];

export default {
  name: "lint",
  hostIndependent: true,
  probe: () => undefined,
  async run() {
    const { code, output } = await node([tool("oxlint/bin/oxlint"), "-c", ".oxlintrc.json", "--quiet", ...FOLDERS]);
    return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, failures: [lastLines("oxlint", output)] };
  },
};
