import { findChromium } from "../lib.mjs";
import { vitest } from "../vitest.mjs";

export default {
  name: "browser",
  hostIndependent: true,
  probe: () => (findChromium() ? undefined : "no Chromium (install Debian's chromium, or set CHROME_PATH)"),
  run: () => vitest("browser", { env: { CHROME_PATH: findChromium() } }),
};
