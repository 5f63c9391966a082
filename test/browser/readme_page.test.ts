// The pages of README.md (blocks marked `html page`), with the headers and without.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

const text = readFileSync(fileURLToPath(new URL("../../README.md", import.meta.url)), "utf8");
const pages = [...text.matchAll(/^```html page\n([\s\S]*?)^```/gm)].map((match) => match[1]!.replaceAll("./node_modules/tokiwa/", "/"));

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

test.each(["plain", "isolated"] as const)("the page with a pool adds up on two threads (%s)", async (scenario) => {
  const server = await harness.server(scenario);
  expect(pages.length).toBe(1);
  server.add("/readme/index.html", pages[0]!);
  const { page, problems } = await harness.open(scenario, "readme/index.html");
  await page.waitForFunction('document.querySelector("output").textContent !== ""', undefined, { timeout: 60_000 });
  expect(await page.textContent("output")).toBe("49999995000000");
  await page.close();
  expect(problems).toEqual([]);
});
