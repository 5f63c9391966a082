// examples/page, opened as a visitor opens it: as plain modules, and as a bundler's one file.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { keepPicture, PageHarness } from "../support/browser.ts";
import type { Scenario } from "../support/server.ts";

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (name: string): Promise<string> => readFile(at(`examples/page/${name}`), "utf8");

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

async function visit(scenario: Scenario, folder: string): Promise<Record<string, string>> {
  const { page, problems } = await harness.open(scenario, `${folder}/index.html`);
  await page.waitForSelector("#status[data-state=done], #status[data-state=failed]", { timeout: 60_000 });
  const text = async (id: string): Promise<string> => (await page.textContent(`#${id}`)) ?? "";
  const seen = { status: await text("status"), ended: await text("ended"), steps: await text("steps"), slice: await text("slice"), services: await text("services") };
  await keepPicture(page, `page-${scenario}`);
  await page.close();
  expect(problems).toEqual([]);
  return seen;
}

function expectAll(seen: Record<string, string>): void {
  expect(seen["status"]).toMatch(/^done in \d+ ms$/);
  expect(seen["ended"]).toBe("200 000");
  expect(seen["steps"]).toBe("1 000 000");
  expect(seen["services"]).toBe("users 120 ms, orders 90 ms, prices 150 ms");
}

test("the page works as plain modules, under the strict policy", async () => {
  const server = await harness.server("strict");
  for (const name of ["index.html", "page.css", "main.js", "app.js"]) server.add(`/examples/page/${name}`, await read(name));
  expectAll(await visit("strict", "examples/page"));
});

test("the page works as a bundler's one file, without isolation", async () => {
  const { outputFiles } = await build({
    entryPoints: [at("examples/page/bundled.js")],
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    external: ["node:*"],
    logLevel: "error",
  });
  const server = await harness.server("plain");
  for (const name of ["index.html", "page.css"]) server.add(`/bundled/${name}`, await read(name));
  server.add("/bundled/main.js", outputFiles[0]!.text);
  expectAll(await visit("plain", "bundled"));
});
