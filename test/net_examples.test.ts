import { execFile, spawn as startProcess } from "node:child_process";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** Output and exit of examples/net/<name>. */
function play(name: string): Promise<{ code: number; output: string; errors: string }> {
  const file = fileURLToPath(new URL(`../examples/net/${name}`, import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { timeout: 50_000 }, (error, output, errors) => resolve({ code: error === null ? 0 : 1, output, errors }));
  });
}

test.each([
  ["tcp-echo.mjs", ["echoed: one, two, three"]],
  ["udp-echo.mjs", ["one (attempt 1)", "two (attempt 2)", "three (attempt 1)"]],
  ["chat.mjs", ['ada hears "bob: has entered"', 'bob hears "ada: hello bob"', 'ada hears "bob: has left"']],
  ["http-static.mjs", ["200 text/javascript; charset=utf-8 true", "404 404 Not Found", "404 404 Not Found", "405 405 Method Not Allowed", "all requests answered"]],
  ["http-proxy.mjs", ["200 GET /hello, 0 bytes", "200 POST /upload, 300000 bytes", "200", "502 502 Bad Gateway"]],
  ["proxy.mjs", ["100000 bytes there, 21 bytes back", "you sent 100000 bytes"]],
  ["fetch-posts.mjs", ["post 1: first", "failed: post 2: 404 Not Found", "post 3: third"]],
])("examples/net/%s ends by itself and prints what it says", async (name, lines) => {
  const { code, output, errors } = await play(name);
  expect(errors).toBe("");
  expect(output.trimEnd().split("\n")).toEqual(expect.arrayContaining(lines));
  expect(output.trimEnd().split("\n").length).toBe(lines.length);
  expect(code).toBe(0);
}, 60_000);

test("the static server answers what is no HTTP with 400, keeps connections, and ends by Ctrl-C although one is open", { timeout: 60_000 }, async () => {
  const file = fileURLToPath(new URL("../examples/net/http-static.mjs", import.meta.url));
  const child = startProcess(process.execPath, [file, "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const output: string[] = [];
  const port = await new Promise<number>((resolve) => {
    child.stdout.on("data", (data: Buffer) => {
      output.push(data.toString());
      const found = /127\.0\.0\.1:(\d+)/.exec(output.join(""));
      if (found) resolve(Number(found[1]));
    });
  });
  const raw = (text: string): Promise<string> =>
    new Promise((resolve) => {
      let got = "";
      const socket = connect(port, "127.0.0.1", () => socket.write(text)).on("error", () => {});
      socket.on("data", (data) => (got += data.toString())).on("close", () => resolve(got.split("\r\n")[0] as string));
    });
  expect(await raw("this is no HTTP\r\n\r\n")).toBe("HTTP/1.1 400 Bad Request");
  expect(await raw(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 70000\r\n\r\n${"x".repeat(70_000)}`)).toBe("HTTP/1.1 413 Content Too Large");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => {
      get({ port, agent, path: "/chat.mjs", host: "127.0.0.1" }, (response) => {
        const { localPort } = response.socket;
        response.resume().on("end", () => resolve(localPort as number));
      }).on("error", reject);
    });
  expect(await ask()).toBe(await ask());                   // one connection for both
  child.kill("SIGINT");
  const code = await new Promise((resolve) => child.on("exit", resolve));
  agent.destroy();
  expect(code).toBe(0);
  expect(output.join("")).toContain("all requests answered");
});
