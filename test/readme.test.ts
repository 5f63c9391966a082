// The programs of README.md: blocks marked `js runnable` are run as files of this package, and print what the
// `text` block after them says.
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const BLOCK = /^```js runnable\n(?<program>[\s\S]*?)^```\n(?:```text\n(?<output>[\s\S]*?)^```)?/gm;

interface Program {
  readonly title: string;
  readonly source: string;
  readonly output: string | undefined;
}

function programs(): Program[] {
  const text = readFileSync(at("README.md"), "utf8");
  return [...text.matchAll(BLOCK)].map((match) => ({
    title: text.slice(0, match.index).match(/^#+ .*$/gm)?.at(-1) ?? "the top",
    source: match.groups?.["program"] ?? "",
    output: match.groups?.["output"],
  }));
}

describe("README.md", () => {
  const found = programs();

  test("has programs, and each says what it prints", () => {
    expect(found.length).toBeGreaterThan(5);
    expect(found.filter(({ output }) => output === undefined)).toEqual([]);
  });

  test.each(found.map((program, index) => [`${index + 1}: ${program.title}`, program, index] as const))("program %s prints what it says", async (_name, program, index) => {
    mkdirSync(at("build/readme"), { recursive: true });
    const file = at(`build/readme/${index + 1}.mjs`);
    writeFileSync(file, program.source);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { timeout: 20_000 });
    expect(stdout).toBe(program.output);
    expect(stderr).toBe("");
  });
});
