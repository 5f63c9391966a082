import { findFirefox } from "../lib.mjs";
import { vitest } from "../vitest.mjs";

export default {
  name: "firefox",
  hostIndependent: true,
  probe: () => (findFirefox() ? undefined : "no Firefox (install Debian's firefox-esr, or set FIREFOX_PATH)"),
  run: () => vitest("firefox", { env: { FIREFOX_PATH: findFirefox() } }),
};
