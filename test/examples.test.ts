// Every example of one file runs to its end; each checks what it shows.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("../examples/", import.meta.url));
const TIMEOUT_MS = 60_000;
/** Serves the pages until it is stopped. */
const SERVER = "serve.mjs";

/** Runs an example in a process of its own. */
function runExample(name: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [folder + name], { timeout: TIMEOUT_MS });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

describe("examples", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".mjs") && name !== SERVER);

  test.each(names)("%s runs to its end", async (name) => {
    const { code, output } = await runExample(name);
    expect(code, output).toBe(0);
  }, TIMEOUT_MS);

  test("graceful-shutdown.mjs aborts what does not stop in time, and nothing else", async () => {
    const right = /^stopping \(the demonstration is over\): \d+ served, \d+ tasks alive\n1 task did not end in 300 ms, aborting it\nall ended, \d+ served\n$/;
    let output = "";
    for (let tries = 5; tries > 0 && !right.test(output); tries--) ({ output } = await runExample("graceful-shutdown.mjs"));   // the host may hold it for 300 ms
    expect(output).toMatch(right);
  }, TIMEOUT_MS);
});
