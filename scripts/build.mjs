// Builds the package: the core, one ESM bundle per entry (common parts in chunk-*.js), declarations, and the
// two published .wasm files. `--no-types` leaves the declarations out (quicker while developing).
import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { build as esbuild } from "esbuild";
import { buildCore } from "./build-core.mjs";
import { ENTRIES } from "./entries.mjs";
import { at, filesBelow, locked, node, put, removeOthers, ROOT, tool } from "./lib.mjs";

const COMMON = { absWorkingDir: ROOT, bundle: true, platform: "neutral", target: "es2022", charset: "utf8", legalComments: "none", logLevel: "warning", write: false };

const EXTERNAL = ["node:*", "bun:*", "cloudflare:*"];

/**
 * Backticks for quotes and quotes for backticks, which are few: so that bundlers print the text between quotes. V8 reads it in half the time then, which is
 * a millisecond of every start. start.ts swaps them back.
 */
const swapQuotes = (text) => text.replace(/["`]/g, (quote) => (quote === '"' ? "`" : '"'));

/**
 * The worker as text (bindings/generated/worker-source.ts), for hosts and bundles where there is no file to start it
 * from. It does not carry itself: a worker of a worker is started with the text that its parent was given.
 */
async function writeWorkerSource() {
  const source = at("bindings/generated/worker-source.ts");
  const text = (contents) => `// Written by scripts/build.mjs: the worker as one classic script.\nexport const WORKER_TEXT: string = ${JSON.stringify(swapQuotes(contents))};\n`;
  put(source, text(""));
  const { outputFiles } = await esbuild({
    ...COMMON,
    entryPoints: [at("bindings/workers/entry.ts")],
    outfile: at("build/worker.js"),
    format: "iife",
    minify: true,
    define: { "import.meta.url": '""' },
    external: ["node:*"],
  });
  put(source, text(outputFiles[0].text));
}

/**
 * tokiwa-worker.js imports the other entries as files. It needs all of their names as an object, which in a chunk that they share would
 * keep every bundler from leaving anything out.
 */
const workerImportsEntries = {
  name: "worker-imports-entries",
  setup({ onResolve }) {
    onResolve({ filter: /(main|index)\.ts$/ }, ({ importer, path }) => {
      if (importer !== at("bindings/workers/file-entry.ts")) return undefined;
      return { path: path.startsWith("../threads/") ? "./threads.js" : "./index.js", external: true };
    });
  },
};

/** The files that these, below bindings/, read when they are loaded. */
async function filesOf(...sources) {
  const dynamicImportsStay = { name: "dynamic-imports-stay", setup: ({ onResolve }) => onResolve({ filter: /./ }, ({ kind, path }) => (kind === "dynamic-import" ? { path, external: true } : undefined)) };
  const { metafile } = await esbuild({ ...COMMON, entryPoints: sources.map((source) => at("bindings", source)), outdir: at("build"), plugins: [dynamicImportsStay], format: "esm", external: EXTERNAL, metafile: true });
  return Object.keys(metafile.inputs).map((file) => at(file));
}

/**
 * The chunks that a start reads, each a list of files and of the entries that read it. Every file costs Node a millisecond, in the main thread and
 * in every worker: left to itself esbuild makes ten of them.
 *
 *   1. what `tokiwa/net` has in common with the others: by itself it is to stay small in a bundle
 *   2. the rest of what a worker reads
 *   3. the rest of what `tokiwa` reads, and what threads and guests have in common
 *
 * Not in them are entries, and files with dynamic imports: bundlers would wrap all that these reach, and leave nothing out.
 * guest-interface.ts is there because its text compresses best beside the core's.
 */
async function chunks() {
  const [worker, main, net, threads, guests] = await Promise.all([["workers/file-entry.ts"], ["main.ts"], ["net/index.ts"], ["threads/index.ts"], ["guest/main.ts", "guest/provide.ts", "guest/serve.ts"]].map((sources) => filesOf(...sources)));
  const isApart = (file) => ["workers/file-entry.ts", "guest/lazy.ts", "main.ts"].some((end) => file === at("bindings", end));
  const forNet = net.filter((file) => worker.includes(file) || main.includes(file));
  const forWorkers = [...worker, at("bindings/generated/guest-interface.ts")].filter((file) => !isApart(file) && !forNet.includes(file));
  const forMain = [...new Set([...main, ...threads.filter((file) => guests.includes(file))])].filter((file) => !isApart(file) && !forNet.includes(file) && !forWorkers.includes(file));
  return [
    { files: forNet, isFor: () => true },
    { files: forWorkers, isFor: (entry) => !entry.endsWith("/net/index.ts") },
    { files: forMain, isFor: (entry) => !/\/(net|testing)\/index\.ts$|\/file-entry\.ts$/.test(entry) },
  ];
}

/** esbuild makes a chunk of what the same entries reach: so they are made to reach all of it. */
const inChunks = (groups) => ({
  name: "in-chunks",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /./ }, ({ kind, path, resolveDir }) => {
      if (kind !== "entry-point" && !path.startsWith(".") && !path.startsWith(ROOT)) return undefined;
      const file = resolve(resolveDir, path);
      if ((kind === "entry-point" || kind === "dynamic-import") && !file.includes("/cli/")) return { path: file, namespace: "entry" };
      return { path: file, sideEffects: true };            // or an import without names would be dropped
    });
    onLoad({ filter: /./, namespace: "entry" }, ({ path }) => ({
      contents: [path, ...groups.filter(({ isFor }) => isFor(path)).flatMap(({ files }) => files)].map((file, index) => `${index === 0 ? "export * from" : "import"} "${file}";`).join("\n"),
      resolveDir: dirname(path),
    }));
  },
});

/** A class that names itself becomes `var X = class _X` in a bundle, and users would read _X. As long as before: the source map stays right. */
function withClassNames(text) {
  const names = new Set(Array.from(text.matchAll(/\b(\w+) = class _\1\b/g), ([, name]) => name));
  return names.size === 0 ? text : text.replace(new RegExp(`\\b_(${[...names].join("|")})\\b`, "g"), "$1 ");
}

async function bundle() {
  await writeWorkerSource();
  const { outputFiles } = await esbuild({
    ...COMMON,
    entryPoints: ENTRIES.map(({ source, out }) => ({ in: at("bindings", source), out })),
    outdir: at("dist"),
    plugins: [workerImportsEntries, inChunks(await chunks())],
    splitting: true,
    format: "esm",
    external: EXTERNAL,
    chunkNames: "[name]-[hash]", // beside the entries, so that new URL("./tokiwa-worker.js", import.meta.url) is right in all of them
    minifySyntax: true, // puts the numbers of assembly/layout.ts in place; names and line breaks stay readable
    sourcemap: true,
    sourcesContent: true,
  });
  return outputFiles.map(({ path, contents, text }) => ({ path: path.slice(at("dist").length + 1), contents: path.endsWith(".js") ? withClassNames(text) : contents }));
}

/** What other compilers than ours read, shipped as it is. */
const GUEST_SOURCES = ["c", "cpp", "rust", "assemblyscript"];

/** tokiwa-pthread-lib.js carries guest-loops.wasm. */
function withLoops(contents) {
  const mark = "TOKIWA_LOOPS_BASE64";
  if (!contents.includes(mark)) return contents;
  return Buffer.from(contents.toString().replace(mark, readFileSync(at("build/guest-loops.wasm")).toString("base64")));
}

const HOST_TYPES = "bindings/host-types";

/** A declaration file with what its names need: types a host may lack (bindings/host-types.ts), and `Symbol.dispose`. */
function withHostTypes(file, text) {
  if (file.startsWith(HOST_TYPES)) return text;
  const names = ["Worker", "MessagePort", "Transferable", "BufferSource", "WebAssembly"].filter((name) => new RegExp(`(?<![\\w."'-])${name}(?![\\w"'-])`).test(text.replace(/^ *\*.*$/gm, "")));
  const from = relative(dirname(file), HOST_TYPES).split(sep).join("/");
  const imported = names.length === 0 ? "" : `import type { ${names.join(", ")} } from "${from.startsWith(".") ? from : `./${from}`}.js";\n`;
  const lib = /\b(Async)?Disposable\b|\b(asyncDispose|dispose)\]/.test(text) ? `/// <reference lib="esnext.disposable" />\n` : "";
  return lib + imported + text;
}

/** Declarations of what the entries reach. Their import paths end in .js: consumers do not allow .ts there. */
async function declarations() {
  const config = at("build/tsconfig.types.json");
  const files = [...ENTRIES.map(({ source }) => `../bindings/${source}`), `../${HOST_TYPES}.ts`];
  put(
    config,
    JSON.stringify({
      extends: "../tsconfig.json",
      compilerOptions: { noEmit: false, emitDeclarationOnly: true, declaration: true, rootDir: "..", outDir: "./types", incremental: false },
      files,
      include: [],
    }),
  );
  const { code, output } = await node([tool("typescript/bin/tsc"), "-p", config], { quiet: true });
  if (code !== 0) throw new Error(`declarations (tsc):\n${output}`);
  return filesBelow(at("build/types")).map((file) => ({
    path: join("types", file),
    contents: withHostTypes(file, readFileSync(at("build/types", file), "utf8").replace(/((?:from|import|import\()\s*["'])(\.{1,2}\/[^"']+)\.ts(["'])/g, "$1$2.js$3")),
  }));
}

export async function build({ types = true } = {}) {
  const started = performance.now();
  await buildCore();
  const files = await bundle();
  for (const core of ["core.wasm", "core.shared.wasm"]) files.push({ path: core, contents: readFileSync(at("build", core)) });
  for (const folder of GUEST_SOURCES) {
    for (const file of filesBelow(at("bindings", folder))) files.push({ path: join(folder, file), contents: withLoops(readFileSync(at("bindings", folder, file))) });
  }
  if (types) {
    removeOthers(at("build/types"), new Set());
    files.push(...(await declarations()));
  }
  for (const { path, contents } of files) put(at("dist", path), contents);
  const keep = new Set(files.map(({ path }) => path));
  if (!types) for (const file of filesBelow(at("dist/types"))) keep.add(join("types", file));
  removeOthers(at("dist"), keep);
  console.log(`dist: ${ENTRIES.map(({ out }) => `${out}.js`).join(", ")} (${Math.round(performance.now() - started)} ms)`);
}

if (process.argv[1] === at("scripts/build.mjs")) {
  try {
    await locked("dist", () => build({ types: !process.argv.includes("--no-types") }));
  } catch (error) {
    console.error(`build: ${error.message}`);
    process.exitCode = 1;
  }
}
