// examples/sqlite-page, built and opened: a program in C that nobody here wrote. Its source comes from a registry, so it is
// fetched where that was asked for: by whoever has run the build once, and in CI.
import { existsSync } from "node:fs";
import { findEmcc } from "../build-guests.mjs";
import { at, findChromium, node } from "../lib.mjs";
import { vitest } from "../vitest.mjs";

const BUILD = "examples/sqlite-page/build.mjs";
const TRIES = 3;

async function build() {
  for (let tries = 0; tries < TRIES; tries++) {
    const { code } = await node([at(BUILD)], { env: { EMCC: findEmcc() } });
    if (code === 0) return true;
  }
  return false;
}

export default {
  name: "sqlite",
  hostIndependent: true,
  probe() {
    if (findChromium() === undefined) return "no Chromium (install Debian's chromium, or set CHROME_PATH)";
    if (!existsSync(findEmcc() ?? "")) return "no emcc (install Debian's emscripten)";
    const isFetched = existsSync(at("examples/sqlite-page/built/package"));
    return isFetched || process.env.CI ? undefined : `SQLite's source was not fetched yet: node ${BUILD} does it, from npm's registry`;
  },
  async run() {
    if (!(await build())) return { passed: 0, failed: 1, note: `${BUILD} failed` };
    return vitest("sqlite", { env: { CHROME_PATH: findChromium() } });
  },
};
