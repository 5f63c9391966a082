// examples/julia, served by its own server and opened as a visitor opens it, with the headers and without.
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
let server: ChildProcess;
const addresses: Record<string, string> = {};

beforeAll(async () => {
  harness = await PageHarness.start();
  server = spawn(process.execPath, [fileURLToPath(new URL("../../examples/julia/serve.mjs", import.meta.url)), "0"], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  await new Promise<void>((resolve, reject) => {
    server.on("exit", (code) => reject(new Error(`the server ended with code ${code}`)));
    server.stdout!.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.split("\n").length > 2) resolve();
    });
  });
  for (const address of printed.trim().split("\n")) addresses[new URL(address).pathname.split("/")[1]!] = address;
});
afterAll(async () => {
  await harness.close();
  server.kill();
});

test.each([
  ["isolated", "shared memory"],
  ["plain", "messages"],
])("the Julia page draws, counts right, and follows the slider (%s)", async (kind, transport) => {
  const { page, problems } = await harness.visit(addresses[kind]!);
  const text = async (id: string): Promise<string> => (await page.textContent(`#${id}`)) ?? "";
  const done = (state: string): Promise<unknown> => page.waitForSelector(`#status[data-state=${state}]`, { timeout: 40_000 });
  await done("done");
  expect(await text("transport")).toBe(transport);
  expect(await text("sum")).toBe("44 841 052");
  expect(await page.evaluate('document.getElementById("progress").value')).toBe(40);
  const drawn = '(() => { const { data } = document.getElementById("canvas").getContext("2d").getImageData(0, 0, 800, 800); return new Set(new Uint32Array(data.buffer)).size; })()';
  expect(await page.evaluate(drawn)).toBeGreaterThan(100);

  await page.fill("#workers", "1");                        // the slider: drawn again, by one worker
  await page.waitForSelector("#status:has-text('done by 1 worker')", { timeout: 40_000 });
  expect(await text("count")).toBe("1");
  await page.fill("#workers", "3");
  await page.waitForSelector("#status:has-text('done by 3 workers')", { timeout: 40_000 });
  const { JULIA_SCREENSHOT } = process.env;
  if (JULIA_SCREENSHOT !== undefined) await page.screenshot({ path: JULIA_SCREENSHOT.replace("%", kind), fullPage: true });

  await page.click("#draw");                               // and stopped half-way
  await page.waitForFunction('document.getElementById("progress").value > 2 && document.getElementById("progress").value < 40', undefined, { timeout: 40_000 });
  await page.click("#stop");
  await done("stopped");
  expect(await text("status")).toMatch(/^stopped after \d+ of 40 strips$/);
  await page.close();
  expect(problems).toEqual([]);
}, 180_000);

test("the server of the Julia page serves nothing else", async () => {
  const { origin } = new URL(addresses["plain"]!);
  for (const path of ["/plain/package.json", "/plain/examples/julia/../../package.json", "/plain/dist/..%2fpackage.json", "/examples/julia/index.html", "/isolated/examples/julia/none.js"]) {
    expect((await fetch(origin + path)).status, path).toBe(404);
  }
  const isolated = await fetch(addresses["isolated"]!);
  expect([isolated.headers.get("cross-origin-opener-policy"), isolated.headers.get("cross-origin-embedder-policy")]).toEqual(["same-origin", "require-corp"]);
  expect((await fetch(origin)).url).toBe(addresses["isolated"]);
});
