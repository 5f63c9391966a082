// examples/sqlite-page, built and opened: a program in C that nobody here wrote. Its source comes from a registry, so it is
// fetched where that was asked for: by whoever has run the build once, and in CI.
import { existsSync } from "node:fs";
import { findEmcc } from "../build-guests.mjs";
import { lastLines } from "../failures.mjs";
import { at, findChromium, node } from "../lib.mjs";
import { vitest } from "../vitest.mjs";

const BUILD = "examples/sqlite-page/build.mjs";
const TRIES = 3;

/** @returns why it could not be built, or undefined */
async function build() {
  let output = "";
  for (let tries = 0; tries < TRIES; tries++) {
    const built = await node([at(BUILD)], { env: { EMCC: findEmcc() } });
    if (built.code === 0) return undefined;
    output = built.output;
  }
  return lastLines(BUILD, output);
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
    const failure = await build();
    if (failure) return { passed: 0, failed: 1, note: `${BUILD} failed`, failures: [failure] };
    return vitest("sqlite", { env: { CHROME_PATH: findChromium() } });
  },
};
