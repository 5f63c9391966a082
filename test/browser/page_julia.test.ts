// examples/julia, as a visitor opens it, with the headers and without.
import { afterAll, beforeAll, expect, test } from "vitest";
// @ts-expect-error: a program of the examples, without types
import { serve } from "../../examples/serve.mjs";
import { keepPicture, PageHarness } from "../support/browser.ts";

let harness: PageHarness;
let server: { origin: string; close(): void };
beforeAll(async () => {
  harness = await PageHarness.start();
  server = await (serve as () => Promise<typeof server>)();
});
afterAll(async () => {
  await harness.close();
  server.close();
});

test.each([
  ["/isolated", "shared memory"],
  ["", "messages"],
])("the Julia page draws, counts right, and follows the slider (%s/)", async (prefix, transport) => {
  const { page, problems } = await harness.visit(`${server.origin}${prefix}/examples/julia/`);
  const text = async (id: string): Promise<string> => (await page.textContent(`#${id}`)) ?? "";
  const done = (state: string): Promise<unknown> => page.waitForSelector(`#status[data-state=${state}]`, { timeout: 60_000 });
  await done("done");
  expect(await text("transport")).toBe(transport);
  expect(await text("sum")).toBe("44 841 052");
  expect(await page.evaluate('document.getElementById("progress").value')).toBe(40);
  const drawn = '(() => { const { data } = document.getElementById("canvas").getContext("2d").getImageData(0, 0, 800, 800); return new Set(new Uint32Array(data.buffer)).size; })()';
  expect(await page.evaluate(drawn)).toBeGreaterThan(100);

  await page.fill("#workers", "1");                        // the slider: drawn again, by one worker
  await page.waitForSelector("#status:has-text('done by 1 worker')", { timeout: 60_000 });
  expect(await text("count")).toBe("1");
  await page.fill("#workers", "3");
  await page.waitForSelector("#status:has-text('done by 3 workers')", { timeout: 60_000 });
  await keepPicture(page, `julia-${transport.replace(" ", "-")}`);

  // And stopped half-way, by the page itself: a moment later it may be done.
  await page.evaluate(`{
    const progress = document.getElementById("progress");
    const observer = new MutationObserver(() => {
      if (progress.value <= 2 || progress.value >= 40) return;
      observer.disconnect();
      document.getElementById("stop").click();
    });
    observer.observe(progress, { attributes: true });
  }`);
  await page.click("#draw");
  await done("stopped");
  expect(await text("status")).toMatch(/^stopped after \d+ of 40 strips$/);
  await page.close();
  expect(problems).toEqual([]);
}, 180_000);

test("the server of the examples serves nothing else", async () => {
  for (const path of ["/package.json", "/isolated/package.json", "/examples/julia/../../package.json", "/dist/..%2fpackage.json", "/isolated/dist/..%2fpackage.json", "/isolated/examples/julia/none.js"]) {
    expect((await fetch(server.origin + path)).status, path).toBe(404);
  }
  const isolated = await fetch(`${server.origin}/isolated/examples/julia/`);
  expect([isolated.headers.get("cross-origin-opener-policy"), isolated.headers.get("cross-origin-embedder-policy")]).toEqual(["same-origin", "require-corp"]);
  const list = await (await fetch(`${server.origin}/`)).text();
  for (const [, link] of list.matchAll(/href="([^"]+)"/g)) expect((await fetch(server.origin + link)).status, link).toBe(200);
});
