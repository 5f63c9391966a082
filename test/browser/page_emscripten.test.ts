// examples/emscripten-page: 100 000 tasks in C, beside a fetch.
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

test("the particles of the example fly, and its fetch arrives", async () => {
  await using harness = await PageHarness.start();
  const folder = fileURLToPath(new URL("../../examples/emscripten-page/", import.meta.url));
  const server = await harness.server("plain");
  for (const name of await readdir(folder)) server.add(`/examples/emscripten-page/${name}`, await readFile(folder + name));
  const { page, problems } = await harness.open("plain", "examples/emscripten-page/index.html");
  await page.waitForSelector("#status[data-state=done], #status[data-state=failed]", { timeout: 50_000 });
  const { PARTICLES_SCREENSHOT } = process.env;
  if (PARTICLES_SCREENSHOT !== undefined) await page.screenshot({ path: PARTICLES_SCREENSHOT, fullPage: true });
  expect(await page.textContent("#status")).toBe("done");
  expect(await page.textContent("#tasks")).toBe("100,000");
  expect(await page.textContent("#polls")).toBe((100_000 * 240).toLocaleString("en"));
  expect(await page.textContent("#fetched")).toMatch(/^\d{4} bytes, awaited in C$/);
  expect(problems).toEqual([]);
});
