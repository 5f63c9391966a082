// npm run bench [filter...] -- [options], see USAGE.
//
// Runs the cases of bench/*/*.mjs whose "group/case" contains one of the filters, prints a table for each, and
// writes everything as JSON to build/bench/. See lib/case.mjs for what a case is.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { checkCase } from "./lib/case.mjs";
import { hasFailed, situation, table } from "./lib/report.mjs";
import { runCase } from "./lib/runner.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "..");

const USAGE = `npm run bench [filter...] -- [options]: runs the cases whose "group/case" contains a filter
  --quick       fewer and shorter turns
  --node PATH   the node to measure, default: this one
  --json FILE   where the results go, default: build/bench/
  --list        only names the cases`;

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        node: { type: "string", default: process.execPath },
        json: { type: "string" },
      },
    });
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    return process.exit(2);
  }
}

const { values: options, positionals: filters } = parsed();
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const node = resolve(options.node);

/** What the baselines need lives in a folder of its own, installed at the first run. */
function installPeers() {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, "package.json"), "utf8"));
  if (Object.keys(dependencies).every((name) => existsSync(join(HERE, "node_modules", name, "package.json")))) return;
  console.log("installing what bench/ compares with ...");
  const args = ["ci", "--prefix", HERE, "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", args, { stdio: "inherit", shell: process.platform === "win32" });
}

function buildIfMissing() {
  if (!existsSync(join(ROOT, "dist", "index.js"))) execFileSync(process.execPath, [join(ROOT, "scripts", "build.mjs")], { stdio: "inherit" });
}

async function findCases() {
  const found = [];
  for (const group of readdirSync(HERE, { withFileTypes: true })) {
    if (!group.isDirectory() || ["lib", "node_modules", "results"].includes(group.name)) continue;
    for (const file of readdirSync(join(HERE, group.name)).filter((name) => name.endsWith(".mjs")).sort()) {
      const path = join(HERE, group.name, file);
      if (file === "main.mjs") continue;                   // a program of its own, see its header
      const { default: cases } = await import(pathToFileURL(path).href);
      if (!Array.isArray(cases)) continue;                 // a helper of the cases beside it
      for (const one of cases) found.push({ id: `${group.name}/${one.name}`, one: checkCase(one, path) });
    }
  }
  return found.filter(({ id }) => filters.length === 0 || filters.some((filter) => id.includes(filter)));
}

buildIfMissing();                                          // some cases import what is built
const cases = await findCases();
if (options.list) {
  for (const { id, one } of cases) console.log(`${id}: ${Object.keys(one.sides).join(", ")}`);
  process.exit(0);
}
if (cases.length === 0) {
  console.error(`no case matches ${filters.join(", ")}; --list shows them`);
  process.exit(1);
}
installPeers();

const where = situation(node);
console.log(`${where.node} (V8 ${where.v8}), ${where.cpu}, ${where.cores} cores, commit ${where.commit}\n`);
const isLive = process.stderr.isTTY === true;
const results = [];
for (const { id, one } of cases) {
  const result = await runCase(one, {
    node,
    quick: options.quick,
    onTurn: (_name, turn, turns) => isLive && process.stderr.write(`\r\x1b[K${id} ${turn + 1}/${turns}`),
  });
  if (isLive) process.stderr.write("\r\x1b[K");
  results.push({ id, ...result });
  console.log(`${table(result)}\n`);
}

const json = options.json ?? join(ROOT, "build", "bench", `${where.node.slice(1).split(".")[0]}${filters.length ? `-${filters.join("-").replaceAll(/[^\w-]/g, "_")}` : ""}.json`);
mkdirSync(dirname(json), { recursive: true });
writeFileSync(json, `${JSON.stringify({ ...where, results }, undefined, 1)}\n`);
console.log(`written to ${json}`);
process.exitCode = results.some(hasFailed) ? 1 : 0;
