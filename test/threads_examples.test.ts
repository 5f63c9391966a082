// examples/threads and examples/julia, each in a process of its own that must end by itself.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decode } from "fast-png";
import { expect, test } from "vitest";

const at = (path: string): string => fileURLToPath(new URL(`../examples/${path}`, import.meta.url));

function play(path: string, ...args: string[]): Promise<{ code: number; lines: string[]; errors: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [at(path), ...args], { timeout: 50_000 }, (error, output, errors) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, lines: output.trimEnd().split("\n"), errors });
    });
  });
}

const SEVEN = ["1/7", "2/7", "3/7", "4/7", "5/7", "6/7", "7/7"];

const programs: Record<string, string[]> = {
  "exec.mjs": [
    "closure: 1 + 2 = 3",
    "source text: add(1, 2) = 3",
    "async closure, after a second: 1 - 2 = -1",
    "source text with a timer: 1 - 2 = -1",
    "outer is not defined in the worker",
  ],
  "fib.mjs": ["fib(4) = 3", "fib(24) = 46368"],
  "executors.mjs": [...[0, 1, 2, 3].map((n) => `serial ${n}: 42`), ...[0, 1, 2, 3].map((n) => `parallel ${n}: 42`), expect.stringMatching(/^serially \d+ ms, at once \d+ ms$/)],
  "http-pool.mjs": [...SEVEN, "196 characters, 0 jobs pending", "1/7", "2/7", "3/7", "dropped half-way: 4 cancelled, 0 jobs pending"],
};

test.each(Object.entries(programs))("examples/threads/%s prints what it says", { timeout: 60_000 }, async (name, lines) => {
  const { code, lines: printed, errors } = await play(`threads/${name}`);
  expect(errors).toBe("");
  expect(printed).toEqual(lines);
  expect(code).toBe(0);
});

test("examples/threads has a test for each of its programs", () => {
  expect(readdirSync(at("threads")).sort()).toEqual([...Object.keys(programs), "hash-files.mjs"].sort());
});

test("examples/threads/hash-files.mjs gives the digests of a folder", { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tokiwa-hash-"));
  const contents = ["one", "two", "x".repeat(300_000)];
  const expected = contents.map((content, n) => {
    const path = join(folder, `${n}.txt`);
    writeFileSync(path, content);
    return `${createHash("sha256").update(content).digest("hex")}  ${path}`;
  });
  const { code, lines, errors } = await play("threads/hash-files.mjs", folder, "2");
  expect(errors).toBe("");
  expect(lines).toEqual([...expected, "3 files, 300006 bytes, on 2 threads"]);
  expect(code).toBe(0);
});

test("examples/julia/picture.mjs writes a PNG file of the set", { timeout: 60_000 }, async () => {
  const file = join(mkdtempSync(join(tmpdir(), "tokiwa-julia-")), "julia.png");
  const { code, lines, errors } = await play("julia/picture.mjs", "2", file);
  expect(errors).toBe("");
  expect(code).toBe(0);
  expect(lines.at(-1)).toBe("sum of iterations 44 841 052, drawn in julia.png");
  const { width, height, channels, data } = decode(readFileSync(file));
  expect([width, height, channels]).toEqual([800, 800, 3]);
  const pixel = (x: number, y: number): number[] => [...data.slice((y * 800 + x) * 3, (y * 800 + x) * 3 + 3)];
  expect(pixel(0, 0)).toEqual(pixel(799, 799));            // the set looks the same from the other side
  expect(new Set(Array.from({ length: 800 }, (_, x) => pixel(x, 400).join())).size).toBeGreaterThan(50);
});
