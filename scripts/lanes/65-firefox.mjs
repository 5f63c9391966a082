import { findFirefox } from "../lib.mjs";
import { hasTests, vitest } from "../vitest.mjs";

export default {
  name: "firefox",
  hostIndependent: true,
  probe() {
    if (!hasTests("test/firefox")) return "test/firefox has no test yet";
    return findFirefox() ? undefined : "no Firefox (install Debian's firefox-esr, or set FIREFOX_PATH)";
  },
  run: () => vitest("firefox", { env: { FIREFOX_PATH: findFirefox() } }),
};
