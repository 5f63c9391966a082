import { filesBelow, at } from "../lib.mjs";
import { vitest } from "../vitest.mjs";

const OTHER_LANES = /^(browser|model|assembly)\//;

export default {
  name: "node",
  probe: () => (filesBelow(at("test")).some((file) => file.endsWith(".test.ts") && !OTHER_LANES.test(file)) ? undefined : "test/ has no *.test.ts yet"),
  run: () => vitest("node"),
};
