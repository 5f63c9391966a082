// The guests of README, compiled by the commands that stand above them, where the compilers are.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Runtime } from "tokiwa";
import { attach, guestIo } from "tokiwa/guest";
// @ts-expect-error: a script of the build, without types
import { findClang, findEmcc, findRustc } from "../scripts/build-guests.mjs";
import type { Calls } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COMPILE_MS = 240_000;
const has = (find: () => string | undefined): boolean => existsSync(find() ?? "");
let folder: string;
let readme: string;

/** The first program of a language in the chapter about guests. */
function program(language: string): string {
  const found = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(readme);
  if (found === null) throw new Error(`README has no program in ${language}`);
  return found[1] as string;
}

/** Runs the commands of the comment a program opens with, as a shell would. */
async function compile(file: string, source: string, extra: Record<string, string>, adapt = (command: string): string => command): Promise<void> {
  await writeFile(join(folder, file), source);
  const comment = /^(?:\/\/[^\n]*\n|\/\*.*?\*\/)+/s.exec(source)?.[0] ?? "";
  const lines = comment.replace(/\\\n\/\/\s*/g, "").split("\n").map((line) => line.replace(/^\/\/\s*|^\/\*\s*|\s*\*\/$/g, "").replace(/\s{4,}.*$/, ""));
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((entry) => !entry.includes("node_modules")).join(delimiter);
  for (const line of lines.filter((text) => /^(emcc|clang|rustc|npx asc)/.test(text))) {
    const cli = `"${process.execPath}" "${ROOT}dist/cli.js"`;
    const command = adapt(line.replaceAll("npx tokiwa", cli).replace("npx asc", `"${process.execPath}" "${ROOT}node_modules/assemblyscript/bin/asc.js"`));
    await promisify(execFile)("sh", ["-c", command], { cwd: folder, env: { ...process.env, PATH: path, ...extra } });
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokiwa-readme-"));
  await mkdir(join(folder, "node_modules"));
  await symlink(ROOT, join(folder, "node_modules/tokiwa"));
  await writeFile(join(folder, "asconfig.json"), "{}");
  const text = await readFile(join(ROOT, "README.md"), "utf8");
  readme = text.slice(text.indexOf("## Guests"), text.indexOf("### Threads of guests"));
});
afterAll(() => rm(folder, { recursive: true }));

test.skipIf(!has(findEmcc))("C, by emcc", async () => {
  // Debian's emcc makes glue for pages and old Nodes: here the module is handed over, and the host not looked at.
  await compile("app.c", program("c"), { NODE_PATH: "/usr/share/nodejs" }, (command) => `${command} -sENVIRONMENT=web,worker -sUSE_ES6_IMPORT_META=0 -sASSERTIONS=0`);
  await using runtime = new Runtime();
  const { default: createApp } = await import(pathToFileURL(join(folder, "app.mjs")).href);
  const guest = await attach(runtime, createApp, { module: { wasmBinary: await readFile(join(folder, "app.wasm")) } });
  expect(await guest.task((guest.exports as Calls)["_answer"]!())).toBe(42);
}, COMPILE_MS);

test.skipIf(!has(findClang))("C++, by clang without Emscripten", async () => {
  const source = `${program("cpp")}\nstatic int sum;\nstatic tk::task<> run() { sum = co_await both(); }\nextern "C" {\n__attribute__((visibility("default"))) int result() { return sum; }\n__attribute__((visibility("default"))) void start() { tk::spawn(run()); }\n}\n`;
  await compile("app.cpp", source, {});
  await using runtime = new Runtime();
  const nothing = (): number => 0;
  const wasi = { fd_close: nothing, fd_seek: nothing, fd_write: nothing, fd_fdstat_get: nothing, environ_get: nothing, environ_sizes_get: nothing, proc_exit: nothing };
  const guest = await attach(runtime, await readFile(join(folder, "app.wasm")), { imports: { wasi_snapshot_preview1: wasi } });
  const call = guest.exports as Calls;
  call.start!();
  while (call.result!() === 0) await new Promise((done) => setTimeout(done, 5));
  expect(call.result!()).toBe(42);
}, COMPILE_MS);

test.skipIf(!has(findRustc))("Rust, by rustc", async () => {
  const rustc = findRustc() as string;
  const root = rustc.replace(/\/bin\/rustc$/, "");
  await compile("app.rs", program("rust"), { LD_LIBRARY_PATH: `${root}/lib/x86_64-linux-gnu` }, (command) => command.replace(/^rustc/, `"${rustc}" --sysroot "${root}" -C linker=wasm-ld-14 -C linker-flavor=wasm-ld`));
  await using runtime = new Runtime();
  const io = guestIo({ fetch: async (url) => new Response(String(url)) });
  const guest = await attach(runtime, await readFile(join(folder, "app.wasm")), { io });
  expect(await guest.task((guest.exports as Calls).start!())).toBe(1);
}, COMPILE_MS);

test("AssemblyScript, by asc", async () => {
  await compile("app.ts", program("ts"), {}, (command) => `${command} --config asconfig.json`);
  await using runtime = new Runtime();
  const guest = await attach(runtime, await readFile(join(folder, "app.wasm")), { imports: { env: { abort() {} } } });
  if (hasJspi) expect(await guest.run("program")).toBe(42);
  else expect(guest.canBlock).toBe(false);
}, COMPILE_MS);
