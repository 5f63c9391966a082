// tokiwa/net in every host: pipes everywhere; sockets where the host has them, a clear error where it has not.
import { run, sleep, spawn } from "../../dist/index.js";
import { BufReader, copy, duplex, TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream, WebReader, WebSocketClient, WebTransportClient, WebWriter } from "../../dist/net.js";
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
      for (let last = -1; last !== sent; ) {                 // a third of a second without a byte: it is stopped, or held
        last = sent;
        for (let i = 0; i < 3 && last === sent; i++) await new Promise((resolve) => setTimeout(resolve, 100));
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

  "a peer that resets is an error, one that ends is not, and half of a connection goes on": async () => {
    if (!hasSockets) return;
    await run(async () => {
      const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
      const pair = async () => {
        const accepting = spawn(listener.accept());
        return [await TcpStream.connect(listener.localAddr), await accepting];
      };
      const [a, b] = await pair();
      await a.shutdown();
      equal(await b.read(new Uint8Array(1)), 0);
      await b.writeAll(bytes("still"));
      b.close();
      equal(text(await a.readToEnd()), "still");
      a.close();
      const [c, d] = await pair();
      const reading = codeOf(() => d.read(new Uint8Array(1)));
      c.setLinger(0);
      c.close();
      equal(/ECONNRESET|no error/.test(await reading), true);   // Deno and Bun end it without a reset
      d.close();
      listener.close();
      equal(await codeOf(() => listener.accept()), "TOKIWA_CLOSED");
    });
  },

  "a task aborted in a read or an accept leaves the bytes and the connection to the next": async () => {
    if (!hasSockets) return;
    await run(async () => {
      const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
      const aborted = spawn(listener.accept());
      await sleep(5);
      aborted.abort();
      equal((await aborted.result()).status, "cancelled");
      const client = await TcpStream.connect(listener.localAddr);
      const server = await listener.accept();
      const reading = spawn(server.readExact(new Uint8Array(8)));
      await client.writeAll(bytes("half"));
      await sleep(20);
      reading.abort();
      equal((await reading.result()).status, "cancelled");
      await client.writeAll([bytes(" and"), bytes(" whole")]);
      await client.shutdown();
      equal(text(await server.readToEnd()), "half and whole");
      client.close();
      server.close();
      listener.close();
    });
  },

  "datagrams there and back": async () => {
    if (!hasSockets) return;
    await run(async () => {
      const [a, b] = [await UdpSocket.bind({ host: "127.0.0.1", port: 0 }), await UdpSocket.bind({ host: "127.0.0.1", port: 0 })];
      const buffer = new Uint8Array(64);
      for (const word of ["one", "two"]) {
        await a.sendTo(bytes(word), b.localAddr);
        const [length, from] = await b.recvFrom(buffer);
        equal(from.port, a.localAddr.port);
        await b.sendTo(buffer.subarray(0, length), from);
        equal(text(buffer.subarray(0, await a.recv(buffer))), word);
      }
      a.close();
      b.close();
    });
  },

  "lines over a Unix socket": async () => {
    if (!hasSockets) return;
    const { tmpdir } = await import("node:os");
    const path = `${tmpdir()}/tokiwa-hosts-${globalThis.process.pid}.sock`;
    await run(async () => {
      const listener = await UnixListener.bind({ path });
      const server = spawn(async () => {
        const stream = await listener.accept();
        for await (const line of new BufReader(stream).lines()) await stream.writeAll(bytes(`${line}!\n`));
        stream.close();
      });
      const client = await UnixStream.connect({ path });
      await client.writeAll(bytes("one\ntwo\n"));
      await client.shutdown();
      equal(text(await client.readToEnd()), "one!\ntwo!\n");
      await server;
      client.close();
      listener.close();
    });
  },

  "a stream with a readable and a writable, as WebTransport has them, is a reader and a writer": async () => {
    const there = new TransformStream();
    const back = new TransformStream();
    const near = { readable: back.readable, writable: there.writable };
    const far = { readable: there.readable, writable: back.writable };
    const echo = spawn(copy(new WebReader(far.readable), new WebWriter(far.writable)));
    const writer = new WebWriter(near.writable);
    const reader = new BufReader(new WebReader(near.readable));
    const writing = spawn(async () => {
      await writer.write(bytes("over streams\n"));
      await writer.flush();
    });
    equal(await reader.readLine(), "over streams\n");
    await writing;
    await writer.shutdown();
    equal(await echo, 13);
  },

  "WebTransport is there or says that it is not, and takes https: addresses only": async () => {
    if (globalThis.WebTransport === undefined) equal(await codeOf(() => WebTransportClient.connect("https://127.0.0.1:1/")), "TOKIWA_UNSUPPORTED");
    for (const url of ["http://127.0.0.1/", "no address", undefined]) equal(await codeOf(() => WebTransportClient.connect(url)), "TOKIWA_BAD_OPTION");
    equal(await codeOf(() => WebTransportClient.connect("https://127.0.0.1/", { WebTransport: 7 })), "TOKIWA_BAD_OPTION");
  },

  "a WebSocket that cannot connect is an error": async () => {
    if (globalThis.WebSocket === undefined || !hasSockets) return;   // pages would report the failed request
    const code = await codeOf(() => WebSocketClient.connect("ws://127.0.0.1:1/"));
    equal(typeof code, "string");
    equal(code === "no error", false);
  },
};
