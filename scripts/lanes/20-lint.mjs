import { node, tool } from "../lib.mjs";

export default {
  name: "lint",
  hostIndependent: true,
  probe: () => undefined,
  async run() {
    const { code } = await node([tool("oxlint/bin/oxlint"), "-c", ".oxlintrc.json", "--quiet"]);
    return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  },
};
