import { findChromium } from "../lib.mjs";
import { hasTests, vitest } from "../vitest.mjs";

export default {
  name: "browser",
  hostIndependent: true,
  probe() {
    if (!hasTests("test/browser")) return "test/browser has no test yet";
    return findChromium() ? undefined : "no Chromium (install Debian's chromium, or set CHROME_PATH)";
  },
  run: () => vitest("browser", { env: { CHROME_PATH: findChromium() } }),
};
