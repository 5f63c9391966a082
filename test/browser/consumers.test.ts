// The package as consumers get it: packed, unpacked into a project, and built by Vite, esbuild and webpack. Each page then
// uses threads with the headers, without them, and under the strict policy.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";
import type { Scenario } from "../support/server.ts";

const execute = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "tokiwa-consumer-"));

/** Built by test/consumer/bundle.mjs, in a process of its own. */
async function bundle(name: string, out: string): Promise<string> {
  const { stdout, stderr } = await execute(process.execPath, [join(root, "test/consumer/bundle.mjs"), name, project, out], { timeout: 150_000, env: { ...process.env, NODE_ENV: "production" } });
  return (stdout + stderr).trim();
}

let harness: PageHarness;
beforeAll(async () => {
  const installed = join(project, "node_modules/tokiwa");
  mkdirSync(installed, { recursive: true });
  await execute("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", project], { cwd: root });
  const tarball = readdirSync(project).find((file) => file.endsWith(".tgz"))!;
  await execute("tar", ["-xzf", join(project, tarball), "-C", installed, "--strip-components=1"]);
  for (const file of ["package.json", "index.html", "main.js", "worker.js"]) cpSync(join(root, "test/consumer", file), join(project, file));
  harness = await PageHarness.start();
}, 120_000);
afterAll(async () => {
  await harness.close();
  rmSync(project, { recursive: true, force: true });
});

const filesOf = (folder: string): string[] => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));

interface Report {
  readonly error?: string;
  readonly value?: { byName: Record<string, unknown>; bySource: Record<string, unknown> } & Record<string, unknown>;
}

async function visit(scenario: Scenario, bundler: string, out: string): Promise<{ report: Report; problems: string[] }> {
  const server = await harness.server(scenario);
  for (const file of filesOf(out)) server.add(`/${bundler}${file.slice(out.length)}`, readFileSync(file));
  const { page, problems } = await harness.open(scenario, `${bundler}/index.html`);
  await page.waitForSelector("body[data-report]", { state: "attached", timeout: 60_000 }).catch(async (error: unknown) => {
    throw new Error(`${bundler} (${scenario}) stood still at ${await page.getAttribute("body", "data-step")}`, { cause: error });
  });
  const report = JSON.parse((await page.getAttribute("body", "data-report")) ?? "null") as Report;
  await page.close();
  return { report, problems };
}

const byName = {
  add: 3,
  fib: 144,
  many: 5050,
  moved: [1 << 20, 0],
  failed: "E_MINE",
  missing: 'TOKIWA_NOT_FOUND: the worker has not exposed a function "none"',
  counted: 150,
  heard: "1,2,3,4,5",
};

describe.each(["vite", "esbuild", "webpack"])("a page built by %s", (name) => {
  const out = join(project, "out", name);
  let said: string;
  beforeAll(async () => {
    said = await bundle(name, out);
  }, 160_000);

  test("is built without a warning", () => {
    expect(said).toBe("");
  });

  test.each([
    ["plain", false],
    ["isolated", true],
  ] as const)("runs functions on threads, by name and by source (%s)", async (scenario, isolated) => {
    const { report, problems } = await visit(scenario, name, out);
    expect(report).toEqual({ value: { isolated, task: "task", byName, bySource: { sum: 3, slept: 7, blocking: 42 }, ran: "done" } });
    expect(problems).toEqual([]);
  });

  test.each(["strict", "strict-isolated"] as const)("runs exposed functions under the strict policy, and says why others do not (%s)", async (scenario) => {
    const { report } = await visit(scenario, name, out);
    expect(report.error).toBe(undefined);
    expect(report.value!.byName).toEqual(byName);
    for (const message of Object.values(report.value!.bySource)) {
      expect(message).toMatch(/^TOKIWA_/);
      expect(message).toContain("Content-Security-Policy");
      expect(message).toContain("expose()");
    }
  });
});
