import { lastLines } from "../failures.mjs";
import { node, tool } from "../lib.mjs";

export default {
  name: "typecheck",
  hostIndependent: true,
  probe: () => undefined,
  async run() {
    const { code, output } = await node([tool("typescript/bin/tsc"), "-p", "tsconfig.json"]);
    return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, failures: [lastLines("tsc", output)] };
  },
};
