// npm test: builds, then runs the lanes of scripts/lanes in turn.
//
//   node scripts/test.mjs [--no-build] [lane ...]     only these lanes
//   node scripts/test.mjs --combine                   adds up the records of several Nodes (see below)
//
// A lane that cannot run here is skipped, and the table at the end says why. With TOKIWA_REQUIRE_ALL=1 each run
// leaves a record in .lanes/<major>.json; --combine then fails if a lane ran on none of these Nodes. A lane that does
// not depend on the Node (`hostIndependent`) is not repeated when another Node's record says that it passed.
//
// A lane is a file in scripts/lanes: `export default { name, probe, run, hostIndependent? }`.
//   probe()  undefined, or why it cannot run here      run()  { passed, failed, note?, failures? } (failures.mjs)
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { lastLines, printFailures } from "./failures.mjs";
import { at, node, nodeMajor } from "./lib.mjs";

const RECORDS = at(".lanes");
const requireAll = process.env.TOKIWA_REQUIRE_ALL === "1";

async function lanes() {
  const files = readdirSync(at("scripts/lanes")).filter((file) => file.endsWith(".mjs")).sort();
  return Promise.all(files.map(async (file) => (await import(`./lanes/${file}`)).default));
}

function records() {
  if (!existsSync(RECORDS)) return [];
  return readdirSync(RECORDS).filter((file) => file.endsWith(".json")).sort().map((file) => JSON.parse(readFileSync(at(".lanes", file), "utf8")));
}

const ranElsewhere = (name) => records().find((record) => record.node !== nodeMajor && record.lanes.some((lane) => lane.name === name && lane.state === "passed"));

async function runLane(lane) {
  const elsewhere = requireAll && lane.hostIndependent ? ranElsewhere(lane.name) : undefined;
  const reason = elsewhere ? `ran on Node ${elsewhere.node}` : await lane.probe();
  if (reason !== undefined) {
    console.log(`\n=== ${lane.name}: skipped, ${reason}`);
    return { name: lane.name, state: "skipped", passed: 0, failed: 0, note: reason, seconds: 0 };
  }
  console.log(`\n=== ${lane.name}`);
  const started = performance.now();
  let result;
  try {
    result = await lane.run();
  } catch (error) {
    console.error(error);
    result = { passed: 0, failed: 1, note: error.message, failures: [{ title: "the lane itself", message: error.stack }] };
  }
  const { passed, failed, note = "", failures } = result;
  return { name: lane.name, state: failed > 0 ? "failed" : "passed", passed, failed, note, failures, seconds: (performance.now() - started) / 1000 };
}

function printTable(rows) {
  console.log(`\n${"lane".padEnd(12)} ${"state".padEnd(8)} passed failed   time`);
  for (const { name, state, passed, failed, note, seconds } of rows) {
    const numbers = state === "skipped" ? " ".repeat(20) : `${String(passed).padStart(6)} ${String(failed).padStart(6)} ${`${seconds.toFixed(1)} s`.padStart(7)}`;
    console.log(`${name.padEnd(12)} ${state.padEnd(8)} ${numbers}${note ? `  ${note}` : ""}`);
  }
}

function finish(rows) {
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  printFailures(rows);
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
  process.exitCode = sum("failed") > 0 || sum("passed") === 0 ? 1 : 0;
}

async function combine() {
  const runs = records();
  const rows = runs.flatMap((record) => record.lanes.map((lane) => ({ ...lane, name: `${lane.name}@${record.node}` })));
  for (const { name } of await lanes()) {
    const ran = runs.some((record) => record.lanes.some((lane) => lane.name === name && lane.state !== "skipped"));
    if (!ran) rows.push({ name, state: "failed", passed: 0, failed: 1, note: "ran on no Node", seconds: 0 });
  }
  printTable(rows);
  finish(rows);
}

async function main() {
  const { values: options, positionals: wanted } = parseArgs({ allowPositionals: true, options: { "no-build": { type: "boolean" }, combine: { type: "boolean" } } });
  if (options.combine) return combine();
  const all = await lanes();
  const unknown = wanted.filter((name) => !all.some((lane) => lane.name === name));
  if (unknown.length) throw new Error(`no such lane: ${unknown.join(", ")} (there are ${all.map((lane) => lane.name).join(", ")})`);

  const rows = [];
  if (options["no-build"] !== true) {
    console.log("=== build");
    const started = performance.now();
    const { code, output } = await node(["scripts/build.mjs"]);
    const failed = code === 0 ? 0 : 1;
    rows.push({ name: "build", state: failed ? "failed" : "passed", passed: 1 - failed, failed, note: failed ? "nothing was tested" : "", failures: failed ? [lastLines("the build", output)] : undefined, seconds: (performance.now() - started) / 1000 });
  }
  // Without a build the lanes would test something else than the sources.
  if (!rows.some((row) => row.failed)) for (const lane of all) if (!wanted.length || wanted.includes(lane.name)) rows.push(await runLane(lane));

  if (requireAll) {
    mkdirSync(RECORDS, { recursive: true });
    writeFileSync(at(".lanes", `${nodeMajor}.json`), JSON.stringify({ node: nodeMajor, lanes: rows }, null, 2));
  }
  printTable(rows);
  const skipped = rows.filter((row) => row.state === "skipped");
  if (skipped.length) console.log(`\nNOT RUN: ${skipped.map((row) => row.name).join(", ")}`);
  finish(rows);
}

await main();
