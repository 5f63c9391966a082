// npx tokiwa: what it prints is what emcc takes.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const cli = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const run = (...args: string[]): Promise<{ code: number; output: string; errors: string }> =>
  new Promise((resolve) => execFile(process.execPath, [cli, ...args], (error, output, errors) => resolve({ code: Number(error?.code ?? 0), output, errors })));

test("the flags name files that exist", async () => {
  const { code, output } = await run("emscripten", "--cflags", "--ldflags");
  expect(code).toBe(0);
  const words = output.trim().split(" ");
  const paths = words.map((word) => word.replace(/^-I/, "")).filter((word) => word.startsWith("/"));
  expect(paths.length).toBe(5);
  for (const path of paths) expect(existsSync(path), path).toBe(true);
  expect(words).toContain("--js-library");
  expect((await run("emscripten", "--ldflags", "--asyncify")).output).toContain("-sASYNCIFY -sASYNCIFY_IMPORTS=tk_sleep,tk_yield,");
  expect((await run("emscripten", "--ldflags", "--pthread")).output).toMatch(/-pthread --js-library \S+tokiwa-pthread-lib.js/);
  const c = (await run("path", "c")).output.trim();
  expect(existsSync(`${c}/tokiwa.h`)).toBe(true);
  expect(existsSync(`${(await run("path", "rust")).output.trim()}/Cargo.toml`)).toBe(true);
});

test("help is printed when asked for, and with an error for what makes no sense", async () => {
  expect(await run("--help")).toMatchObject({ code: 0, errors: "" });
  expect((await run("emscripten", "--help")).output).toContain("usage: emcc");
  for (const words of [[], ["emscripten"], ["emscripten", "--what"], ["path", "cobol"]]) {
    expect(await run(...words)).toMatchObject({ code: 2, output: "", errors: expect.stringContaining("usage: emcc") });
  }
});
