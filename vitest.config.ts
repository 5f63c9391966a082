// Five projects: `node` (the runtime in this process), `model` (interleavings of the compiled core; needs JSPI),
// `browser` (pages in Chromium, steered from here), `firefox`, and `sqlite` (a page that is built first). Tests import the package by its own name, that is, the
// built dist: `npm run build` first.
import { defineConfig } from "vitest/config";
import { EXPORTED } from "./scripts/entries.mjs";

const path = (file: string): string => new URL(file, import.meta.url).pathname;

// Exact matches only: "tokiwa" must not catch "tokiwa/testing".
const alias = EXPORTED.map(({ name, out }: { name: string; out: string }) => ({
  find: new RegExp(`^tokiwa${name.slice(1).replace("/", "\\/")}$`),
  replacement: path(`./dist/${out}.js`),
}));

const shared = {
  environment: "node",
  pool: "forks",
  execArgv: ["--expose-gc", "--enable-source-maps"],
  chaiConfig: { truncateThreshold: 600 },                  // the summary at the end of a run has messages without their diffs
  // dist is loaded by Node itself: as users load it, and at full speed.
  server: { deps: { external: [/\/dist\//] } },
} as const;

export default defineConfig({
  resolve: { alias },
  test: {
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: "node",
          include: ["test/**/*.test.{ts,mjs}"],
          exclude: ["test/browser/**", "test/firefox/**", "test/sqlite/**", "test/model/**", "test/assembly/**"],
          testTimeout: 60_000,                             // half a second of work takes ten times as long on a busy machine
        },
      },
      { extends: true, test: { ...shared, name: "model", include: ["test/model/**/*.test.{ts,mjs}"], testTimeout: 120_000 } },
      {
        extends: true,
        test: { ...shared, name: "browser", include: ["test/browser/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false },
      },
      { extends: true, test: { ...shared, name: "sqlite", include: ["test/sqlite/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 60_000 } },
      { extends: true, test: { ...shared, name: "firefox", include: ["test/firefox/**/*.test.ts"], testTimeout: 200_000, fileParallelism: false } },
    ],
    coverage: { provider: "v8", include: ["bindings/**", "dist/**"], reportsDirectory: "coverage" },
  },
});
