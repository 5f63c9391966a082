// The example pages with guests, as a visitor sees them: examples/serve.mjs serves them.
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

/** What a page shows when it has ended, by the ids of its elements. */
async function visit(name: string, ids: readonly string[]): Promise<Record<string, string | null>> {
  const { page, problems } = await harness.visit(`${server.origin}/examples/${name}/`);
  await page.waitForSelector("#status[data-state=done], #status[data-state=failed]", { timeout: 60_000 });
  await keepPicture(page, name);
  const shown = Object.fromEntries(await Promise.all(["status", ...ids].map(async (id) => [id, await page.textContent(`#${id}`)] as const)));
  await page.close();
  // Chromium reports half of the requests whose body is read by a reader as aborted, with plain fetch() too.
  const real = problems.filter((problem) => !/\.(c|rs|ts): net::ERR_ABORTED$/.test(problem));
  expect([shown["status"], real]).toEqual(["done", []]);
  return shown;
}

test("100 000 particles in C fly beside a fetch and a WebSocket", async () => {
  const shown = await visit("emscripten-page", ["tasks", "polls", "fetched", "echoed"]);
  expect(shown["tasks"]).toBe("100 000");
  expect(shown["polls"]).toBe("24 000 000");
  expect(shown["fetched"]).toMatch(/^\d{4} bytes, read in C$/);
  expect(shown["echoed"]).toMatch(/^60 messages, [\d.]+ ms there and back$/);
});

test("20 000 stars in Rust twinkle beside a fetch and a WebSocket", async () => {
  const shown = await visit("rust-page", ["tasks", "changes", "text"]);
  expect(shown["tasks"]).toBe("20 001");
  expect(Number(shown["changes"]!.replaceAll(" ", ""))).toBeGreaterThan(20_000);
  expect(shown["text"]).toMatch(/^\d{3} lines fetched, 50 of 50 messages came back$/);
});

test("rows of a picture in AssemblyScript block and yield beside a fetch", async () => {
  const shown = await visit("assemblyscript", ["rows", "fetched", "style"]);
  expect(shown["rows"]).toBe("360");
  expect(shown["fetched"]).toMatch(/^\d{4} bytes, read in AssemblyScript$/);
  expect(shown["style"]).toBe("blocking code (JSPI)");
});
