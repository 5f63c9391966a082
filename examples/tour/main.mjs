// npm start [-- --no-bench]: plays what tokiwa can do, checks the output of each program, and measures a little.
//
// Every file of scenarios/ is a program with a check. On a terminal a line shows what runs; elsewhere there are
// plain lines. A failed check ends the tour with exit code 1.
import { readdirSync } from "node:fs";
import { Display } from "./display.mjs";
import { benchmark } from "./table.mjs";

const isTerminal = process.stdout.isTTY === true && process.env.NO_COLOR === undefined && process.env.CI === undefined;

/** The scenarios in the order of their file names. */
async function scenarios() {
  const files = readdirSync(new URL("./scenarios/", import.meta.url)).filter((name) => name.endsWith(".mjs")).sort();
  return Promise.all(files.map(async (name) => (await import(`./scenarios/${name}`)).default));
}

/** Runs one program; says what is wrong with its output, or nothing. */
async function play(scenario, display) {
  const lines = [];
  try {
    const outcome = await scenario.run((line) => {
      lines.push(line);
      display.print(line);
    }, (text) => display.progress(text));
    return scenario.check(lines, outcome);
  } catch (error) {
    return error?.stack ?? String(error);
  }
}

const display = new Display(process.stdout, isTerminal);
const startedAt = performance.now();
const all = await scenarios();
let failures = 0;
display.title(`tokiwa on Node ${process.versions.node}: ${all.length} programs, then a few numbers`);
for (const [index, scenario] of all.entries()) {
  display.begin(`${index + 1}/${all.length}`, scenario.title);
  const start = performance.now();
  const problem = await play(scenario, display);
  if (problem) failures++;
  display.end(problem, performance.now() - start);
}
try {
  if (!process.argv.includes("--no-bench")) await benchmark(display);
} catch (error) {
  failures++;
  display.end(error?.stack ?? String(error), 0);
}
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
display.title(failures === 0 ? `all ${all.length} programs gave what they should, in ${seconds} s` : `${failures} failed, in ${seconds} s`);
process.exitCode = failures === 0 ? 0 : 1;
