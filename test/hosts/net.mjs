// tokiwa/net in every host: pipes everywhere; sockets where the host has them, a clear error where it has not.
import { run, spawn } from "../../dist/index.js";
import { BufReader, copy, duplex, TcpListener, TcpStream, UdpSocket, WebReader, WebSocketClient } from "../../dist/net.js";
import { equal } from "./check.mjs";

const hasSockets = globalThis.process?.versions?.node !== undefined && globalThis.document === undefined;
const bytes = (text) => new TextEncoder().encode(text);
const text = (data) => new TextDecoder().decode(data);

const codeOf = async (fn) => {
  try {
    await fn();
  } catch (error) {
    return error.code;
  }
  return "no error";
};

export default {
  "bytes cross a pipe in memory, as lines": async () => {
    const [a, b] = duplex(4);
    const writing = spawn(async () => {
      await a.writeAll(bytes("one\ntwo\r\nthree"));
      await a.shutdown();
    });
    const lines = [];
    for await (const line of new BufReader(b).lines()) lines.push(line);
    await writing;
    equal(lines.join(), "one,two,three");
  },

  "a web stream is a reader": async () => {
    const [a, b] = duplex(64);
    equal(await copy(new WebReader(new Response("a body").body), a), 6);
    await a.shutdown();
    equal(text(await b.readToEnd()), "a body");
  },

  "TCP echoes, or says that it is unsupported": async () => {
    if (!hasSockets) {
      equal(await codeOf(() => TcpStream.connect({ host: "127.0.0.1", port: 1 })), "TOKIWA_UNSUPPORTED");
      equal(await codeOf(() => TcpListener.bind({ port: 0 })), "TOKIWA_UNSUPPORTED");
      equal(await codeOf(() => UdpSocket.bind({ port: 0 })), "TOKIWA_UNSUPPORTED");
      return;
    }
    await run(async () => {
      const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
      const server = spawn(function* () {
        const stream = yield* listener.accept();
        const buffer = new Uint8Array(1000);
        for (let n; (n = yield* stream.read(buffer)) > 0; ) yield* stream.writeAll(buffer.subarray(0, n));
        stream.close();
      });
      const client = await TcpStream.connect(listener.localAddr);
      const sent = new Uint8Array(500_000).map((_, i) => i * 7);
      const writing = spawn(async () => {
        await client.writeAll(sent);
        await client.shutdown();
      });
      const got = await client.readToEnd();
      await writing;
      await server;
      equal(got.length, sent.length);
      equal(got.every((byte, i) => byte === sent[i]), true);
      client.close();
      listener.close();
      equal(await codeOf(() => TcpStream.connect(listener.localAddr)), "ECONNREFUSED");
    });
  },

  "an unread socket stops its peer": async () => {
    if (!hasSockets) return;
    await run(async () => {
      const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
      const accepting = spawn(listener.accept());
      const client = await TcpStream.connect(listener.localAddr);
      const server = await accepting;
      let sent = 0;
      const total = 48 << 20;
      const writing = spawn(async () => {
        const piece = new Uint8Array(65_536);
        for (; sent < total; sent += piece.length) await client.writeAll(piece);
        await client.shutdown();
      });
      let last = -1;
      while (last !== sent) {
        last = sent;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      equal(sent < total, true);
      let received = 0;
      const buffer = new Uint8Array(65_536);
      for (let n; (n = await server.read(buffer)) > 0; ) received += n;
      await writing;
      equal(received, total);
      client.close();
      server.close();
      listener.close();
    });
  },

  "a WebSocket that cannot connect is an error": async () => {
    if (globalThis.WebSocket === undefined || !hasSockets) return;   // pages would report the failed request
    const code = await codeOf(() => WebSocketClient.connect("ws://127.0.0.1:1/"));
    equal(typeof code, "string");
    equal(code === "no error", false);
  },
};
