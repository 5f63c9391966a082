// The package as users get it: packed, checked by publint and attw, installed into an empty project, imported by
// Node, type-checked, bundled; and its size against the limits of scripts/size.mjs.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { EXPORTED, exportProblems } from "../entries.mjs";
import { at, node, run, tool } from "../lib.mjs";
import { measure, report } from "../size.mjs";

const FOLDER = at("build/package");

async function pack() {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(join(FOLDER, "consumer/node_modules/tokiwa"), { recursive: true });
  const { code, output } = await run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", FOLDER], { quiet: true });
  if (code !== 0) throw new Error(`npm pack:\n${output}`);
  const tarball = join(FOLDER, readdirSync(FOLDER).find((file) => file.endsWith(".tgz")));
  const unpacked = await run("tar", ["-xzf", tarball, "-C", join(FOLDER, "consumer/node_modules/tokiwa"), "--strip-components=1"], { quiet: true });
  if (unpacked.code !== 0) throw new Error(`tar: ${unpacked.output}`);
  return tarball;
}

const names = () => EXPORTED.map(({ name }) => `tokiwa${name.slice(1)}`);

/** A project that uses the package: only what every version of it has is called here. */
function writeConsumer(folder) {
  const imports = names().map((name, index) => `import * as entry${index} from "${name}";`);
  const used = `[${names().map((_, index) => `Object.keys(entry${index}).length`).join(", ")}]`;
  writeFileSync(join(folder, "package.json"), `{ "name": "consumer", "private": true, "type": "module" }\n`);
  writeFileSync(join(folder, "all.mjs"), `${imports.join("\n")}\nconsole.log("exports", ...${used});\n`);
  writeFileSync(
    join(folder, "main.ts"),
    `import { run, sleep, spawn } from "tokiwa";
const answer: number = await run(async () => {
  const task = spawn(async () => { await sleep(5); return 42; });
  return await task;
});
console.log("answer", answer);
`,
  );
  writeFileSync(
    join(folder, "tsconfig.json"),
    `${JSON.stringify({ compilerOptions: { target: "es2022", module: "nodenext", lib: ["es2022", "dom"], types: [], typeRoots: [at("node_modules/@types")], strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false } })}\n`,
  );
  writeFileSync(join(folder, "api.ts"), readFileSync(at("test/types/api.ts")));
  writeFileSync(join(folder, "all.ts"), `${imports.join("\n")}\nexport default ${used};\n`);
}

/** Threads are there because an entry is imported, so package.json must say that it has a side effect. */
const WITH_THREADS = `import { Runtime } from "tokiwa";
import { send } from "tokiwa/threads";
const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 1 });
console.log("sum", await runtime.spawn(send((a, b) => a + b), 1, 2));
await runtime.shutdown();
`;

const bundlers = {
  async esbuild(entry, outfile) {
    const { build } = await import("esbuild");
    await build({ entryPoints: [entry], outfile, bundle: true, minify: true, format: "esm", platform: "neutral", external: ["node:*"], logLevel: "silent" });
  },
  async vite(entry, outfile) {
    const { build } = await import("vite");
    const lib = { entry, formats: ["es"], fileName: () => "vite.mjs" };
    await build({ root: dirname(entry), configFile: false, logLevel: "silent", build: { outDir: dirname(outfile), emptyOutDir: false, minify: true, target: "es2022", lib, rolldownOptions: { external: [/^node:/] } } });
  },
  async webpack(entry, outfile) {
    const { default: webpack } = await import("webpack");
    const stats = await promisify(webpack)({
      mode: "production",
      target: ["web", "es2022"],
      context: dirname(entry),
      entry,
      experiments: { outputModule: true },
      externalsPresets: { node: true },
      output: { path: dirname(outfile), filename: "webpack.mjs", library: { type: "module" }, chunkFormat: "module" },
      performance: { hints: false },
    });
    if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
  },
};

/** Projects that check libraries too: a page without `esnext.disposable`, a worker, Node without "dom"; each way to resolve. */
const CONSUMERS = [
  [["main.ts", "all.ts"], {}],
  [["all.ts"], { module: "node16", lib: ["es2022", "webworker"] }],
  [["all.ts"], { module: "esnext", moduleResolution: "bundler", lib: ["es2022"], types: ["node"] }],
  [["api.ts"], { lib: ["esnext", "dom"], types: ["node"] }],
];

const checks = {
  "package.json exports what exists": async () => exportProblems().join("\n"),

  publint: async (tarball) => {
    const { publint } = await import("publint");
    const { formatMessage } = await import("publint/utils");
    const { messages, pkg } = await publint({ pack: { tarball: readFileSync(tarball) }, strict: true });
    return messages.map((message) => formatMessage(message, pkg)).join("\n");
  },

  attw: async (tarball) => {
    const args = [tool("@arethetypeswrong/cli/dist/index.js"), tarball, "--profile", "esm-only", "--no-emoji", "--format", "ascii"];
    const { code, output } = await node([...args, "--exclude-entrypoints", "core.wasm", "core.shared.wasm", "package.json"], { quiet: true });
    return code === 0 ? "" : output;
  },

  "every entry loads in Node": (_, folder) => expectOutput(node([join(folder, "all.mjs")], { cwd: folder, quiet: true }), /^exports( [1-9]\d*)+$/m),

  "declarations satisfy a strict consumer": async (_, folder) => {
    const project = join(folder, "project.json");
    for (const [files, compilerOptions] of CONSUMERS) {
      writeFileSync(project, `${JSON.stringify({ extends: "./tsconfig.json", compilerOptions, files })}\n`);
      const { code, output } = await node([tool("typescript/bin/tsc"), "-p", project], { quiet: true });
      if (code !== 0) return `${JSON.stringify([files, compilerOptions])}:\n${output}`;
    }
    return "";
  },

  "a program with threads is whole from every bundler": async (_, folder) => {
    const entry = join(folder, "threads.mjs");
    writeFileSync(entry, WITH_THREADS);
    for (const [name, bundle] of Object.entries(bundlers)) {
      const outfile = join(folder, "out", `${name}.mjs`);
      await bundle(entry, outfile);
      const problem = await expectOutput(node([outfile], { cwd: folder, quiet: true, timeoutMs: 30_000 }), /^sum 3$/m);
      if (problem !== "") return `${name}: ${problem}`;
    }
    return "";
  },

  "a bundled program runs from one file": async (_, folder) => {
    const outfile = join(folder, "out/bundle.mjs");
    await bundlers.esbuild(join(folder, "main.ts"), outfile);
    rmSync(join(folder, "node_modules"), { recursive: true });
    return expectOutput(node([outfile], { cwd: folder, quiet: true, timeoutMs: 30_000 }), /^answer 42$/m);
  },

  size: async () => {
    const rows = await measure();
    console.log(report(rows));
    return rows.filter((row) => row.bytes > row.limit).map((row) => `${row.name}: ${row.bytes} B is more than ${row.limit} B`).join("\n");
  },
};

async function expectOutput(running, pattern) {
  const { code, output } = await running;
  return code === 0 && pattern.test(output) ? "" : `exit code ${code}, output:\n${output}`;
}

export default {
  name: "package",
  hostIndependent: false,
  probe: () => undefined,
  async run() {
    const tarball = await pack();
    const folder = join(FOLDER, "consumer");
    writeConsumer(folder);
    const result = { passed: 0, failed: 0, failures: [] };
    for (const [title, check] of Object.entries(checks)) {
      let problem;
      try {
        problem = await check(tarball, folder);
      } catch (error) {
        problem = error.stack;
      }
      console.log(`${problem ? "FAILED" : "ok    "} ${title}${problem ? `\n${problem}` : ""}`);
      result[problem ? "failed" : "passed"] += 1;
      if (problem) result.failures.push({ title, message: problem });
    }
    return result;
  },
};
