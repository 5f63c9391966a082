// Bundles the channel, lock, task and time suites for hosts in which vitest does not run: build/hosts/suite.mjs.
//
// One list of files for all hosts. What a host cannot do is said in test/hosts/suite/main.ts, by title and with the reason.
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { build } from "esbuild";
import { at } from "./lib.mjs";

/** Vitest only: they measure the heap of Node, listen to its process, make another realm or import the sources. */
const NODE_ONLY = new Set(["sync_channels_leaks", "sync_locks_leak", "sync_waiters", "task_hooks", "task_thenable"]);
const SUITES = /^(sync|task|macros|time|coop)_.*\.test\.ts$/;

export const suites = readdirSync(at("test"))
  .filter((file) => SUITES.test(file) && !NODE_ONLY.has(file.replace(".test.ts", "")))
  .sort();

export const SUITE = at("build/hosts/suite.mjs");

/** The package is loaded as it is shipped, from beside the bundle. */
const entry = (name) => `../../dist/${name === "tokiwa" ? "index" : name.slice("tokiwa/".length)}.js`;

export async function bundleSuite() {
  const imports = suites.map((file) => `  [${JSON.stringify(basename(file, ".test.ts"))}, () => import("./${file}")],`);
  await build({
    stdin: {
      contents: `import { main } from "./hosts/suite/main.ts";\nexport default main([\n${imports.join("\n")}\n]);\n`,
      resolveDir: at("test"),
      loader: "ts",
    },
    outfile: SUITE,
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import"],
    target: "es2022",
    alias: { vitest: at("test/hosts/suite/vitest.ts") },
    plugins: [{ name: "dist", setup: (build) => build.onResolve({ filter: /^tokiwa(\/|$)/ }, ({ path }) => ({ path: entry(path), external: true })) }],
    keepNames: true,
    logLevel: "warning",
  });
}
