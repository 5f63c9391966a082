// Writes the tables of bench/README.md from stored results: node bench/report.mjs bench/results/*.json
import { readFileSync, writeFileSync } from "node:fs";
import { targets } from "./lib/targets.mjs";

const README = new URL("./README.md", import.meta.url);
const number = (value) => (value === undefined || Number.isNaN(value) ? "-" : value >= 100 ? Math.round(value).toLocaleString("en").replaceAll(",", " ") : value >= 10 ? value.toFixed(1) : value >= 0.1 ? value.toFixed(2) : value.toFixed(3));

function cells(result, side) {
  const outcome = result.sides[side];
  if (outcome === undefined) return ["-", "-"];
  if (outcome.failed !== undefined || outcome.skipped !== undefined) return [outcome.failed === undefined ? "skipped" : "failed", "-"];
  const { median, low, high } = outcome[result.clock === "wall" ? "wallNs" : "ns"];
  const spread = low === high ? "" : ` (${number(low)}-${number(high)})`;
  const ratio = side === result.base ? "1" : outcome.ratio === undefined ? "-" : `${number(outcome.ratio.median)} (${number(outcome.ratio.low)}-${number(outcome.ratio.high)})`;
  return [`${number(median)}${spread}`, ratio];
}

function caseTable(name, runs) {
  const found = runs.map((run) => run.results.find((result) => result.name === name));
  const first = found.find((result) => result !== undefined);
  const unit = first.kind === "value" ? first.unit : `ns of ${first.clock === "wall" ? "wall" : "CPU"} time per ${first.unit}`;
  const sides = [...new Set(found.flatMap((result) => Object.keys(result?.sides ?? {})))];
  const head = runs.flatMap((run) => [`${run.node}`, `x ${first.base}`]);
  return [
    `### ${name}`,
    "",
    `${unit}${first.tokio === undefined ? "" : `; native Tokio, elsewhere: ${first.tokio}`}${commits(found, runs)}`,
    "",
    `| | ${head.join(" | ")} |`,
    `| --- |${" ---: |".repeat(head.length)}`,
    ...sides.map((side) => `| ${side} | ${found.flatMap((result) => (result === undefined ? ["-", "-"] : cells(result, side))).join(" | ")} |`),
    "",
  ];
}

/** Cases that were run at another commit than most say so. */
function commits(found, runs) {
  const noted = found.flatMap((result, index) => (result?.commit === undefined || result.commit === runs[index].commit ? [] : [`${runs[index].node} at ${result.commit}`]));
  return noted.length === 0 ? "" : `; ${noted.join(", ")}`;
}

/** A number that a row brings here from elsewhere differs from Node to Node. */
const HERE = / \(here about (\d+)\)/;
const key = (row) => row.what.replace(HERE, "");

function targetTable(runs) {
  const lists = runs.map((run) => {
    const outcome = (name, side) => run.results.find((result) => result.name === name)?.sides[side];
    const get = (name, side) => outcome(name, side)?.ns?.median ?? NaN;
    get.wall = (name, side) => outcome(name, side)?.wallNs?.median ?? NaN;
    get.major = Number(run.node.slice(1).split(".")[0]);
    return targets(get, (name, side) => outcome(name, side)?.ratio?.median ?? NaN);
  });
  const shown = ({ value, ok, unit }) => Number.isNaN(value) ? "not run" : `${number(value)}${unit === "x" ? "x" : ` ${unit}`} ${ok ? "reached" : "**missed**"}`;
  return [
    `| | to reach | ${runs.map((run) => run.node).join(" | ")} |`,
    `| --- | ---: |${" ---: |".repeat(runs.length)}`,
    ...[...new Set(lists.flatMap((list) => list.map(key)))].map((what) => {
      const rows = lists.map((list) => list.find((row) => key(row) === what));     // some rows exist on some Nodes only
      const found = rows.filter((row) => row !== undefined);
      const here = found.flatMap((row) => HERE.exec(row.what)?.[1] ?? []);
      const limits = [...new Set(found.map((row) => row.limit))];
      return `| ${what}${here.length === 0 ? "" : ` (here about ${here.join(" / ")})`} | ${limits.join(" / ")} | ${rows.map((row) => (row === undefined ? "-" : shown(row))).join(" | ")} |`;
    }),
    "",
  ];
}

const runs = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const names = [...new Set(runs.flatMap((run) => run.results.map((result) => result.name)))];
const where = runs.map((run) => `- ${run.node} (V8 ${run.v8}), ${run.cpu}, ${run.cores} cores, ${run.platform}, commit ${run.commit}, ${run.date.slice(0, 10)}, flags \`${run.flags}\``);
const sections = { situation: where, targets: targetTable(runs), cases: names.flatMap((name) => caseTable(name, runs)) };

let text = readFileSync(README, "utf8");
for (const [name, lines] of Object.entries(sections)) {
  const pattern = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!pattern.test(text)) throw new Error(`bench/README.md has no place for ${name}`);
  text = text.replace(pattern, (_all, start, end) => `${start}\n${lines.join("\n").trimEnd()}\n\n${end}`);
}
writeFileSync(README, text);
