// What failed, said once more at the end of a run: whoever sees only the end of the output sees that.
//
// A failure is { title, message }. A message is cut to its first lines and to those of its stack that are in this repository.
import { relative } from "node:path";
import { ROOT } from "./lib.mjs";

const MOST_FAILURES = 25;
const MOST_LINES = 12;
const MOST_CHARACTERS = 1200;

// eslint-disable-next-line no-control-regex
const plain = (text) => String(text).replace(/\u001b\[[0-9;]*m/g, "");
const isPlace = (line) => /^\s+(at |❯ )/.test(line);
const isOurs = (line) => !/node_modules|node:internal|<anonymous>/.test(line);

/** A message of a few lines: what it says, then where. */
function shorten(message) {
  const lines = plain(message).replaceAll(`${ROOT}/`, "").replaceAll("file://", "").split("\n").filter((line) => line.trim() !== "");
  const said = lines.filter((line) => !isPlace(line)).slice(0, MOST_LINES);
  const places = lines.filter((line) => isPlace(line) && isOurs(line)).slice(0, 3);
  return [...said, ...places].map((line) => (line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}...` : line)).join("\n");
}

/** For what says by itself only that it failed: the end of what it printed. */
export function lastLines(title, output) {
  return { title, message: plain(output).trimEnd().split("\n").slice(-MOST_LINES).join("\n") };
}

/** Those of vitest's report in JSON. An error outside of any test is not in there. */
export function failuresOfVitest({ testResults }) {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(ROOT, name);
    const failed = assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0 && status === "failed") return [{ title: file, message }];
    return failed.map(({ fullName, failureMessages }) => ({ title: `${file} > ${fullName}`, message: failureMessages.join("\n") }));
  });
}

/** Those of a program that prints `FAILED title` and then the error, with `ok     title` in between. */
export function failuresOfProgram(output) {
  const blocks = plain(output).split(/^(?=FAILED |ok {5}|left out: |\d+ passed, )/m).filter((block) => block.startsWith("FAILED "));
  return blocks.map((block) => {
    const [title, ...message] = block.slice("FAILED ".length).split("\n");
    return { title, message: message.join("\n") };
  });
}

/** Prints the failures of all lanes. */
export function printFailures(rows) {
  const all = rows.filter((row) => row.failed > 0).flatMap(({ name, note, failures = [] }) => {
    const told = failures.length > 0 ? failures : [{ title: note || "it did not say what", message: "" }];
    return told.map(({ title, message }) => ({ title: `${name}: ${plain(title)}`, message: shorten(message) }));
  });
  for (const { title, message } of all.slice(0, MOST_FAILURES)) {
    console.log(`\nFAILED ${title}`);
    if (message !== "") console.log(message.replace(/^/gm, "  "));
  }
  if (all.length > MOST_FAILURES) console.log(`\nand ${all.length - MOST_FAILURES} more failures, see above`);
}
