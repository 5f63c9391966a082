// The process of one side: loads its case, warms up, and takes a turn whenever it is told to.
//
//   node --expose-gc side.mjs <file> <case> <side> <turnMs> <warmUpMs>
//   in   { type: "turn" }
//   out  { type: "ready" } | { type: "turn", ns, wallNs, runs } | { type: "failed", error }

import { pathToFileURL } from "node:url";
import { checkCase } from "./case.mjs";

const [file, caseName, sideName, turnMs, warmUpMs] = process.argv.slice(2);

const isThenable = (value) => value !== null && typeof value === "object" && typeof value.then === "function";
const cpuNs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

/** Calls run() until `ms` of CPU time, or four times as much wall time, are used. */
async function calls(side, one, ms) {
  let runs = 0;
  let ns = 0;
  let wallNs = 0;
  do {
    const prepared = side.before?.();
    if (isThenable(prepared)) await prepared;
    const wallStart = process.hrtime.bigint();
    const start = cpuNs();
    let answer = side.run();
    if (isThenable(answer)) answer = await answer;
    ns += cpuNs() - start;
    wallNs += Number(process.hrtime.bigint() - wallStart);
    if (answer !== one.answer) throw new Error(`${caseName} of ${sideName} answered ${String(answer)}, expected ${String(one.answer)}`);
    runs++;
    const cleaned = side.after?.();
    if (isThenable(cleaned)) await cleaned;
  } while (ns < ms * 1e6 && wallNs < ms * 4e6);
  return { ns: ns / runs / one.ops, wallNs: wallNs / runs / one.ops, runs };
}

/** The first thing that a process measures is dearer than the rest: so it is this. */
function dummy() {
  let sum = 0;
  const start = cpuNs();
  while (cpuNs() < start + 5e6) for (let i = 0; i < 1000; i++) sum = (sum + i) | 0;
  return sum;
}

async function turn(side, one) {
  if (one.kind === "value") {
    const value = await side.run();
    if (!Number.isFinite(value)) throw new Error(`${caseName} of ${sideName} gave ${String(value)} instead of a number`);
    return { ns: value, wallNs: value, runs: 1 };
  }
  if (one.fresh) return calls(side, one, 0);
  return calls(side, one, Number(turnMs));
}

async function main() {
  const { default: cases } = await import(pathToFileURL(file).href);
  const one = checkCase(cases.find(({ name }) => name === caseName), file);
  dummy();
  const side = await one.sides[sideName]();
  if (one.kind === "time" && !one.fresh) await calls(side, one, Number(warmUpMs));
  process.on("message", ({ type }) => {
    if (type !== "turn") return;
    turn(side, one).then(
      (result) => process.send({ type: "turn", ...result }),
      (error) => fail(error),
    );
  });
  process.send({ type: "ready" });
}

function fail(error) {
  process.send({ type: "failed", error: error?.stack ?? String(error) }, () => process.exit(1));
}

process.on("unhandledRejection", fail);
process.on("uncaughtException", fail);
process.on("disconnect", () => process.exit(0));
main().catch(fail);
