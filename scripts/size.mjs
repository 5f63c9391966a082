// The size report: what a consumer's bundler makes of some imports, and the core.
import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { CORE_LIMIT } from "./build-core.mjs";
import { exportedEntries } from "./entries.mjs";
import { at, ROOT } from "./lib.mjs";

const KIB = 1024;
// `limit` is what may not be passed: it catches growth. `target` is where it should be, and is reported as missed until it is.
const BUNDLES = [
  { name: 'import { spawn, sleep, run } from "tokiwa"', source: 'export { spawn, sleep, run } from "tokiwa";', limit: 20 * KIB, target: 12 * KIB },
  { name: 'import * from "tokiwa"', source: 'export * from "tokiwa";' },
  ...exportedEntries()
    .filter(({ name }) => name !== ".")
    .map(({ name }) => ({ name: `import * from "tokiwa${name.slice(1)}"`, source: `export * from "tokiwa${name.slice(1)}";` })),
];

/** @returns rows of { name, raw, bytes, limit }: minified, and that gzipped; a row without a limit has Infinity */
export async function measure() {
  const rows = [];
  for (const { name, source, limit = Infinity, target } of BUNDLES) {
    const { outputFiles } = await build({
      stdin: { contents: source, resolveDir: ROOT },
      bundle: true,
      minify: true,
      format: "esm",
      platform: "neutral",
      target: "es2022",
      external: ["node:*"],
      write: false,
      logLevel: "error",
    });
    const bytes = outputFiles[0].contents;
    rows.push({ name, raw: bytes.length, bytes: gzipSync(bytes, { level: 9 }).length, limit, target, gzip: true });
  }
  for (const file of ["core.wasm", "core.shared.wasm"]) {
    if (!existsSync(at("dist", file))) continue;
    const bytes = readFileSync(at("dist", file)).length;
    rows.push({ name: file, raw: bytes, bytes, limit: CORE_LIMIT, gzip: false });
  }
  return rows;
}

export function report(rows) {
  const line = ({ name, raw, bytes, limit, target, gzip }) =>
    `${name.padEnd(48)} ${String(raw).padStart(7)} B${gzip ? ` ${String(bytes).padStart(7)} B gzip` : " ".repeat(15)}${limit === Infinity ? "" : `  limit ${limit} B, ${Math.round((bytes / limit) * 100)} %`}${target !== undefined && bytes > target ? `; target ${target} B missed` : ""}`;
  return rows.map(line).join("\n");
}

if (process.argv[1] === at("scripts/size.mjs")) console.log(report(await measure()));
