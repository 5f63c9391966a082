import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { WebSocket as WsSocket, WebSocketServer } from "ws";
import { select, sleep, spawn } from "tokiwa";
import { WebSocketClient, type WebSocketClass } from "tokiwa/net";
import { bytes, errorOf, eventually, LOOPBACK } from "./support/net.ts";

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(onSocket: (socket: WsSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: LOOPBACK, port: 0, handleProtocols: (offered) => [...offered][0] ?? false });
  servers.push(server);
  server.on("connection", onSocket);
  await new Promise((resolve) => server.on("listening", resolve));
  return `ws://${LOOPBACK}:${(server.address() as { port: number }).port}/`;
}

const implementations: [string, WebSocketClass][] = [["ws", WsSocket as unknown as WebSocketClass]];
const own = (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
if (own !== undefined) implementations.push(["the host's", own]);

describe.each(implementations)("WebSocketClient over %s", (_, WebSocket) => {
  test("text and bytes there and back, in order, with a subprotocol", async () => {
    const url = await serve((socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
    const client = await WebSocketClient.connect(url, { WebSocket, protocols: ["chat"] });
    expect(client.protocol).toBe("chat");
    await client.send("text ü");
    await client.send(bytes("bytes"));
    await client.send("");
    expect(await client.recv()).toBe("text ü");
    expect(await client.recv()).toEqual(bytes("bytes"));
    expect(await client.recv()).toBe("");
    await client.close(1000, "done");
    expect(await client.recv()).toBe(undefined);
    expect((await errorOf(client.send("late"))).code).toBe("TOKIWA_CLOSED");
    await client.close();
  });

  test("for await ends when the server closes", async () => {
    const url = await serve((socket) => {
      for (let i = 0; i < 3; i++) socket.send(String(i));
      socket.close(1000);
    });
    const got: unknown[] = [];
    for await (const message of await WebSocketClient.connect(url, { WebSocket })) got.push(message);
    expect(got).toEqual(["0", "1", "2"]);
  });

  test("a dropped recv loses no message", async () => {
    const url = await serve((socket) => {
      let i = 0;
      const timer = setInterval(() => (i < 30 ? socket.send(String(i++)) : (clearInterval(timer), socket.close())), 1);
    });
    const client = await WebSocketClient.connect(url, { WebSocket });
    const got: unknown[] = [];
    for (;;) {
      const { name, value } = await select({ message: client.recv(), tick: sleep(0) });
      if (name === "tick") continue;
      if (value === undefined) break;
      got.push(value);
    }
    expect(got).toEqual(Array.from({ length: 30 }, (_, i) => String(i)));
  });

  test("a peer that floods is closed with 1009 once the receive limit is passed; what came before is still there", async () => {
    let code = 0;
    const url = await serve((socket) => {
      socket.on("close", (closeCode: number) => (code = closeCode));
      for (let i = 0; i < 100; i++) socket.send(new Uint8Array(1000));
    });
    const client = await WebSocketClient.connect(url, { WebSocket, receiveLimit: 10_000 });
    await eventually(() => code !== 0, "the server to see the close");
    expect([1009, 4009]).toContain(code);
    let received = 0;
    const error = await errorOf(async () => {
      while ((await client.recv()) !== undefined) received++;
    });
    expect(error.code).toBe("TOKIWA_RECEIVE_LIMIT");
    expect(received).toBe(9);
  });

  test("a connection that breaks rejects, one that is refused too, and a signal aborts", async () => {
    const url = await serve((socket) => socket.terminate());
    const client = await WebSocketClient.connect(url, { WebSocket });
    expect((await errorOf(client.recv())).name).toBe("TokiwaError");
    expect((await errorOf(WebSocketClient.connect(`ws://${LOOPBACK}:1/`, { WebSocket }))).name).toBe("TokiwaError");
    const controller = new AbortController();
    const quiet = await WebSocketClient.connect(await serve(() => {}), { WebSocket, signal: controller.signal });
    const pending = errorOf(quiet.recv());
    await sleep(1);
    controller.abort();
    expect((await pending).code).toBe("TOKIWA_ABORTED");
    expect((await errorOf(WebSocketClient.connect(url, { WebSocket, signal: controller.signal }))).code).toBe("TOKIWA_ABORTED");
  });

  test("a peer that breaks the protocol, and one that speaks none", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const { port } = server.address() as { port: number };
    expect((await errorOf(WebSocketClient.connect(`ws://${LOOPBACK}:${port}/`, { WebSocket }))).name).toBe("TokiwaError");
    const url = await serve((socket) => (socket as unknown as { _socket: Socket })._socket.write(new Uint8Array([0xff, 0xff, 0, 0])));
    const client = await WebSocketClient.connect(url, { WebSocket });
    expect((await errorOf(client.recv())).name).toBe("TokiwaError");
    for (const socket of sockets) socket.destroy();
  });

  test("after a close of one's own with a code, receiving ends as after any other", async () => {
    const client = await WebSocketClient.connect(await serve(() => {}), { WebSocket });
    const closed = client.close(3001, "enough");
    expect(await client.recv()).toBe(undefined);
    await closed;
    expect(await client.recv()).toBe(undefined);
  });

  test("a dropped connect closes the socket", async () => {
    let closed = 0;
    const url = await serve((socket) => socket.on("close", () => closed++));
    const connecting = spawn(WebSocketClient.connect(url, { WebSocket }));
    await sleep(0);
    connecting.abort();
    expect((await connecting.result()).status).toBe("cancelled");
  });
});

test("arguments are checked, and a host without WebSocket says what to do", async () => {
  expect(() => WebSocketClient.connect("ftp://x/")).toThrow(/url must be a ws: or wss: address/);
  expect(() => WebSocketClient.connect("ws://x/", { receiveLimit: 0 })).toThrow(/receiveLimit must be an integer from 1/);
  for (const protocols of [1, {}, "", "a b", ["a", "a"], ["a", undefined]]) {
    expect(() => WebSocketClient.connect("ws://x/", { protocols: protocols as string[] })).toThrow(/protocols must be different names without spaces, got /);
  }
  const url = await serve(() => {});
  const client = await WebSocketClient.connect(url, { WebSocket: WsSocket as unknown as WebSocketClass });
  expect(() => client.close(999)).toThrow(/code must be an integer from 3000 to 4999, got 999/);
  expect(() => client.send(5 as unknown as string)).toThrow(/message must be a string or a Uint8Array, got 5/);
  await client.close();
  const saved = globalThis.WebSocket;
  try {
    delete (globalThis as { WebSocket?: unknown }).WebSocket;
    expect(() => WebSocketClient.connect("ws://x/")).toThrow(expect.objectContaining({ code: "TOKIWA_UNSUPPORTED" }));
  } finally {
    if (saved !== undefined) globalThis.WebSocket = saved;
  }
});
