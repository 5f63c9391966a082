// What a run of the lanes says last about what failed (scripts/failures.mjs).
import { afterEach, expect, test, vi } from "vitest";
import { failuresOfProgram, failuresOfVitest, lastLines, printFailures } from "../scripts/failures.mjs";
import { at } from "../scripts/lib.mjs";

afterEach(() => vi.restoreAllMocks());

function printed(rows) {
  const lines = [];
  vi.spyOn(console, "log").mockImplementation((text) => lines.push(text));
  printFailures(rows);
  vi.restoreAllMocks();
  return lines.join("\n");
}

const message = `AssertionError: expected 1 to be 2\n\n- 2\n+ 1\n    at ${at("test/a.test.ts")}:7:3\n    at run (file://${at("node_modules/vitest/run.js")}:1:1)`;
const testResults = [
  { name: at("test/a.test.ts"), status: "failed", message: "", assertionResults: [{ status: "passed", fullName: "one", failureMessages: [] }, { status: "failed", fullName: "two", failureMessages: [message] }] },
  { name: at("test/b.test.ts"), status: "failed", message: "it does not load", assertionResults: [] },
  { name: at("test/c.test.ts"), status: "passed", message: "", assertionResults: [] },
];

test("vitest's failures are named with what they say and where", () => {
  const text = printed([{ name: "node", failed: 2, failures: failuresOfVitest({ testResults }) }, { name: "bun", failed: 0 }]);
  expect(text.split("\n")).toEqual([
    "",
    "FAILED node: test/a.test.ts > two",
    "  AssertionError: expected 1 to be 2",
    "  - 2",
    "  + 1",
    "      at test/a.test.ts:7:3",
    "",
    "FAILED node: test/b.test.ts",
    "  it does not load",
  ]);
});

test("a program's failures are what follows their titles", () => {
  const output = "ok     one\nFAILED two\nError: no\n    at there\nok     three\nFAILED four\nError: neither\n2 passed, 2 failed\n";
  expect(failuresOfProgram(output)).toEqual([
    { title: "two", message: "Error: no\n    at there\n" },
    { title: "four", message: "Error: neither\n" },
  ]);
});

test("a lane that tells nothing is named with its note, and long ones are cut", () => {
  const output = Array.from({ length: 100 }, (_, n) => `line ${n}`).join("\n");
  const text = printed([{ name: "lint", failed: 1, note: "it fell" }, { name: "tsc", failed: 1, failures: [lastLines("tsc", `\u001b[31m${output}\u001b[0m\n`)] }]);
  expect(text).toContain("FAILED lint: it fell\n\nFAILED tsc: tsc\n  line 88\n");
  expect(text.endsWith("  line 99")).toBe(true);
  expect(printed([{ name: "node", failed: 40, failures: Array.from({ length: 40 }, (_, n) => ({ title: `t${n}`, message: "" })) }])).toContain("and 15 more failures");
});
