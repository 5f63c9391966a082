import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** Output and exit of examples/net/<name>. */
function play(name: string): Promise<{ code: number; output: string; errors: string }> {
  const file = fileURLToPath(new URL(`../examples/net/${name}`, import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { timeout: 20_000 }, (error, output, errors) => resolve({ code: error === null ? 0 : 1, output, errors }));
  });
}

test.each([
  ["tcp-echo.mjs", ["echoed: one, two, three"]],
  ["udp-echo.mjs", ["one (attempt 1)", "two (attempt 2)", "three (attempt 1)"]],
  ["chat.mjs", ['ada hears "bob: has entered"', 'bob hears "ada: hello bob"', 'ada hears "bob: has left"']],
  ["http-static.mjs", ["200 text/javascript; charset=utf-8 true", "404 404 Not Found", "404 404 Not Found"]],
  ["proxy.mjs", ["100000 bytes there, 21 bytes back", "you sent 100000 bytes"]],
  ["fetch-posts.mjs", ["post 1: first", "failed: post 2: 404 Not Found", "post 3: third"]],
])("examples/net/%s ends by itself and prints what it says", async (name, lines) => {
  const { code, output, errors } = await play(name);
  expect(errors).toBe("");
  expect(output.trimEnd().split("\n")).toEqual(expect.arrayContaining(lines));
  expect(output.trimEnd().split("\n").length).toBe(lines.length);
  expect(code).toBe(0);
}, 25_000);
