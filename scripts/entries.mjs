// The package's entry points: the one place to add one.
//
//   name    what follows "tokiwa" in an import, or null for a file that is built but not exported
//   source  below bindings/
//   out     below dist/, without its extension
//   types   the source of its declarations, if that is another one
//   bundled out of the entry that bundlers get instead ("default")
//
// `node scripts/entries.mjs --write` brings the exports of package.json in line, `--check` fails if they are not.
import { readFileSync, writeFileSync } from "node:fs";
import { at } from "./lib.mjs";

export const ENTRIES = [
  { name: ".", source: "main.ts", out: "index", types: "index.ts", bundled: "index.bundled" },
  { name: null, source: "index.ts", out: "index.bundled" },
  { name: "./net", source: "net/index.ts", out: "net" },
  { name: "./threads", source: "threads/index.ts", out: "threads" },
  { name: "./guest", source: "guest/main.ts", out: "guest", types: "guest/index.ts", bundled: "guest.bundled" },
  { name: null, source: "guest/index.ts", out: "guest.bundled" },
  { name: "./testing", source: "testing/index.ts", out: "testing" },
  { name: null, source: "workers/file-entry.ts", out: "tokiwa-worker" },
  { name: null, source: "cli/main.ts", out: "cli" },
];

/** Files that are exported as they are. */
const FILES = [
  { name: "./core.wasm", path: "./dist/core.wasm" },
  { name: "./core.shared.wasm", path: "./dist/core.shared.wasm" },
  { name: "./package.json", path: "./package.json" },
];

export const EXPORTED = ENTRIES.filter(({ name }) => name !== null);

/** What "exports" of package.json has to be. Each condition is named, so that an entry can get a build of its own per host. */
export function expectedExports() {
  const exports = {};
  for (const { name, source, out, types = source, bundled = out } of EXPORTED) {
    const file = `./dist/${out}.js`;
    exports[name] = { types: `./dist/types/bindings/${types.replace(/\.ts$/, ".d.ts")}`, node: file, bun: file, deno: file, default: `./dist/${bundled}.js` };
  }
  for (const { name, path } of FILES) exports[name] = path;
  return exports;
}

/** Problems as sentences; none when package.json says what stands here. */
export function exportProblems() {
  const { exports } = JSON.parse(readFileSync(at("package.json"), "utf8"));
  const expected = expectedExports();
  const problems = [];
  for (const name of new Set([...Object.keys(exports), ...Object.keys(expected)])) {
    if (!(name in expected)) problems.push(`package.json exports "${name}", which scripts/entries.mjs does not know`);
    else if (!(name in exports)) problems.push(`package.json does not export "${name}"`);
    else if (JSON.stringify(exports[name]) !== JSON.stringify(expected[name])) problems.push(`package.json exports "${name}" differently from scripts/entries.mjs`);
  }
  return problems;
}

if (process.argv[1] === at("scripts/entries.mjs")) {
  if (process.argv.includes("--write")) {
    const manifest = JSON.parse(readFileSync(at("package.json"), "utf8"));
    manifest.exports = expectedExports();
    writeFileSync(at("package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  }
  const problems = exportProblems();
  for (const problem of problems) console.error(`entries: ${problem} (node scripts/entries.mjs --write)`);
  process.exitCode = problems.length ? 1 : 0;
}
