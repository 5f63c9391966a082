// The short benchmark of the tour: some cases of bench/, tokiwa against native promises and Node's timers, each
// side in a process of its own. `npm run bench` runs all of them, with more turns and more to compare with.
import { runCase } from "../../bench/lib/runner.mjs";
import { checkCase } from "../../bench/lib/case.mjs";

const ROWS = [
  { file: "yields.mjs", name: "yield_many_1000", label: "yield, 1000 tasks", sides: ["generator", "async", "promise parked"] },
  { file: "spawn.mjs", name: "spawn_join_1000", label: "spawn and join", sides: ["generator", "async", "promise one await"] },
  { file: "timers.mjs", name: "timers_insert_1k", label: "set a timer, 1000 live", sides: ["tokiwa", "setTimeout"] },
  { file: "timers.mjs", name: "timers_churn_100k", label: "cancel one, set one, 100 000 live", sides: ["tokiwa", "setTimeout"] },
];

const ns = (outcome) => (outcome === undefined ? "" : outcome.ns === undefined ? "failed" : Math.round(outcome.ns.median).toLocaleString("en"));

/** Measures and prints; throws when a side gave a wrong answer. */
export async function benchmark(display) {
  display.begin("···", "ns of CPU time per operation, each side in its own process");
  const start = performance.now();
  const rows = [["", "generator task", "async task", "host", "host / generator"]];
  const failed = [];
  for (const { file, name, label, sides } of ROWS) {
    display.progress(label);
    const url = new URL(`../../bench/runtime/${file}`, import.meta.url);
    const found = (await import(url.href)).default.find((one) => one.name === name);
    const one = checkCase({ ...found, sides: Object.fromEntries(sides.map((side) => [side, found.sides[side]])), base: sides.at(-1) }, url.pathname);
    const result = await runCase(one, { node: process.execPath, quick: true, warmUpMs: 100, turnMs: 15 });
    const [first, ...others] = sides.map((side) => result.sides[side]);
    const host = others.at(-1);
    for (const side of sides) if (result.sides[side].failed !== undefined) failed.push(`${name}, ${side}: ${result.sides[side].failed}`);
    const ratio = first.ratio === undefined ? "" : `${(1 / first.ratio.median).toFixed(1)}x`;
    rows.push([label, ns(first), others.length > 1 ? ns(others[0]) : "", ns(host), ratio]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) display.print(row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  "));
  display.print("(host: native promises and setTimeout; above 1x tokiwa needs less. What is slower is in bench/README.md too.)");
  if (failed.length > 0) throw new Error(failed.join("; "));
  display.end(undefined, performance.now() - start);
}
