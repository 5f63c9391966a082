// The size report: what a consumer's bundler makes of some imports, and the core.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { CORE_LIMIT } from "./build-core.mjs";
import { EXPORTED } from "./entries.mjs";
import { at, ROOT } from "./lib.mjs";

const KIB = 1024;
// `limit` is what may not be passed: it catches growth. `target` is where it should be, and is reported as missed until it is.
const BUNDLES = [
  { name: 'import { spawn, sleep, run } from "tokiwa"', source: 'export { spawn, sleep, run } from "tokiwa";', limit: 20.5 * KIB, target: 12 * KIB },
  { name: 'import * from "tokiwa"', source: 'export * from "tokiwa";' },
  ...EXPORTED
    .filter(({ name }) => name !== ".")
    .map(({ name }) => ({ name: `import * from "tokiwa${name.slice(1)}"`, source: `export * from "tokiwa${name.slice(1)}";` })),
];

const GUEST_LIMIT = 10.5 * KIB;
const GUEST_TARGET = 10 * KIB; // 6 of JavaScript and 4 of Wasm, which bundles carry as text
const GUEST_JS_TARGET = 6 * KIB;
const GUEST_WASM_LIMIT = 4 * KIB;
const WITHOUT_GUEST = 'export { Runtime } from "tokiwa";';
const WITH_GUEST = `${WITHOUT_GUEST} export { attach } from "tokiwa/guest";`;

/** Leaves the text of guest.wasm out, wherever it was bundled into. */
const withoutInterface = {
  name: "without-interface",
  setup({ onLoad }) {
    onLoad({ filter: /dist\/chunk-[^/]*\.js$/ }, ({ path }) => ({ contents: readFileSync(path, "utf8").replace(/GUEST_INTERFACE = ("|`).*/, 'GUEST_INTERFACE = "";'), loader: "js" }));
  },
};

/** @returns { raw, bytes }: minified, and that gzipped */
async function bundled(source, plugins = []) {
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
    plugins,
  });
  const bytes = outputFiles[0].contents;
  return { raw: bytes.length, bytes: gzipSync(bytes, { level: 9 }).length };
}

/** What attach() adds to a page that has a runtime already. */
async function guestRows() {
  const [base, all, script] = await Promise.all([bundled(WITHOUT_GUEST), bundled(WITH_GUEST), bundled(WITH_GUEST, [withoutInterface])]);
  const beyond = (name, { raw, bytes }, rest) => ({ name, raw: raw - base.raw, bytes: bytes - base.bytes, gzip: true, limit: Infinity, ...rest });
  const wasm = readFileSync(at("build/guest.wasm"));
  return [
    beyond("attach of tokiwa/guest, beside Runtime", all, { limit: GUEST_LIMIT, target: GUEST_TARGET }),
    beyond("  of it JavaScript", script, { target: GUEST_JS_TARGET }),
    { name: "  of it guest.wasm, by itself", raw: wasm.length, bytes: gzipSync(wasm, { level: 9 }).length, gzip: true, limit: GUEST_WASM_LIMIT },
  ];
}

/** @returns rows of { name, raw, bytes, limit }: minified, and that gzipped; a row without a limit has Infinity */
export async function measure() {
  const rows = [];
  for (const { name, source, limit = Infinity, target } of BUNDLES) rows.push({ name, ...(await bundled(source)), limit, target, gzip: true });
  rows.push(...(await guestRows()));
  for (const file of ["core.wasm", "core.shared.wasm"]) {
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
