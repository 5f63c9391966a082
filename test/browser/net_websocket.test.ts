import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { PageHarness } from "../support/browser.ts";

let harness: PageHarness;
const servers: WebSocketServer[] = [];
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(async () => {
  for (const server of servers) server.close();
  await harness.close();
});

async function serve(onSocket: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  servers.push(server);
  server.on("connection", onSocket);
  await new Promise((resolve) => server.on("listening", resolve));
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

test.each(["plain", "strict-isolated"] as const)("a page talks over a WebSocket, and closes one that floods (%s)", async (scenario) => {
  const echo = await serve((socket) => {
    socket.on("message", (data, isBinary) => {
      if (String(data) === "close") socket.close(1000);
      else socket.send(data, { binary: isBinary });
    });
  });
  let closedWith = 0;
  const flood = await serve((socket) => {
    socket.on("close", (code) => (closedWith = code));
    for (let i = 0; i < 100; i++) socket.send(new Uint8Array(1000));
  });
  const { value } = await harness.run(scenario, "test/browser/pages/websocket.js", { argument: { echo, flood } });
  expect(value).toEqual({ echoed: ["text", "1,2,3"], received: 4, code: "TOKIWA_RECEIVE_LIMIT" });
  await vi.waitFor(() => expect(closedWith).not.toBe(0), 20_000);
  expect(closedWith).toBe(4009);                           // pages may not send 1009 themselves
});
