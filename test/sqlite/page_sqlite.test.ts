// examples/sqlite-page: SQLite reading its file by range requests. The lane `sqlite` builds it first.
import { expect, test } from "vitest";
// @ts-expect-error: a program of the examples, without types
import { serve } from "../../examples/serve.mjs";
import { keepPicture, PageHarness } from "../support/browser.ts";

test("six queries at once over a database of which little is read", async () => {
  await using harness = await PageHarness.start();
  const server = (await serve()) as { origin: string; close(): void };
  const { page } = await harness.visit(`${server.origin}/examples/sqlite-page/`);
  await page.waitForSelector("#status[data-state=done], #status[data-state=failed]", { timeout: 90_000 });
  await keepPicture(page, "sqlite-page");
  expect(await page.textContent("#status")).toBe("done");
  const towns = Array.from({ length: 50_000 }, (_, at) => ({ id: at + 1, name: `Town ${String(at + 1).padStart(6, "0")}`, country: `Country ${(at + 1) % 40}`, size: ((at + 1) * 7919) % 1_000_003 }));
  const largest = (country: string): number => Math.max(...towns.filter((town) => town.country === country).map(({ size }) => size));
  expect(await page.locator("pre").allTextContents()).toEqual([
    "1250",
    [...towns].sort((a, b) => b.size - a.size).slice(0, 3).map(({ name, size }) => `${name} | ${size}`).join("\n"),
    `Town 031415 | Country ${31_415 % 40}`,
    ["Country 3", "Country 33"].map((country) => `${country} | ${largest(country)}`).join("\n"),
    towns.filter(({ size }) => size >= 500_000 && size <= 500_050).map(({ name }) => name).join("\n"),
    "error: no such column: no_such_column",
  ]);
  expect(Number(await page.textContent("#requests"))).toBeLessThan(200);
  server.close();
});
