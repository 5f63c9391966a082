// The checks of the build find what they are for.
import { expect, test } from "vitest";
import { unpack } from "../bindings/core.ts";
import { coreProblems, packed, sections } from "../scripts/build-core.mjs";
import { run } from "../scripts/lib.mjs";

const HEADER = [0, 97, 115, 109, 1, 0, 0, 0];
const TYPES = [1, 4, 1, 0x60, 0, 0]; // () -> ()
const FUNCTIONS = [3, 2, 1, 0];
const MEMORY = [5, 3, 1, 0, 1];
const START = [8, 1, 0];
const CODE = [10, 4, 1, 2, 0, 0x0b];
const DATA = [11, 7, 1, 0, 0x41, 0, 0x0b, 1, 7]; // one byte, 7, at address 0

const moduleOf = (...parts) => {
  const bytes = new Uint8Array([...HEADER, ...parts.flat()]);
  if (!WebAssembly.validate(bytes)) throw new Error("the test's module is not valid");
  return bytes;
};

test("a module without data and start has no problem", () => {
  expect(coreProblems(moduleOf(TYPES, FUNCTIONS, MEMORY, CODE))).toEqual([]);
});

test("a data segment is found", () => {
  expect(coreProblems(moduleOf(TYPES, FUNCTIONS, MEMORY, CODE, DATA))).toEqual(["has a data segment (7 bytes)"]);
});

test("a start function is found", () => {
  expect(coreProblems(moduleOf(TYPES, FUNCTIONS, START, CODE))).toEqual(["has a start function (1 bytes)"]);
});

test("sections longer than 127 bytes are measured", () => {
  const custom = [0, 0x81, 0x01, 1, 120, ...Array.from({ length: 127 }, () => 0)];
  expect(sections(moduleOf(custom, TYPES))).toEqual([
    { id: 0, size: 129 },
    { id: 1, size: 4 },
  ]);
});

test("a command that takes too long is killed with its children", async () => {
  const started = performance.now();
  const { code, timedOut } = await run("sh", ["-c", "sleep 60 & sleep 60; wait"], { quiet: true, timeoutMs: 200 });
  expect(timedOut).toBe(true);
  expect(code).not.toBe(0);
  expect(performance.now() - started).toBeLessThan(10_000);
});

test("a command that does not exist fails", async () => {
  expect((await run("tokiwa-no-such-command", [], { quiet: true })).code).toBe(127);
});

test("a packed module has all its bytes again, in characters that no string and no page has to escape", () => {
  const bytes = Uint8Array.from({ length: 1024 }, (_, i) => (i * 7) & 255);
  const text = packed(bytes);
  expect(unpack(text)).toEqual(bytes);
  expect(text).toMatch(/^[#-[\]-~]+$/);
});
