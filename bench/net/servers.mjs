// The servers that are compared: ours over generators and async functions, event code and async iterators on node:net.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { pipeline } from "node:stream/promises";

const HOST = "127.0.0.1";

async function bare(onSocket) {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    onSocket(socket);
  });
  server.listen(0, HOST);
  await once(server, "listening");
  return server.address().port;
}

async function ours(serve) {
  const { run, spawn } = await import("../lib/tokiwa.mjs");
  const { TcpListener } = await import("../../dist/net.js");
  return new Promise((resolve) => {
    void run(function* () {
      const listener = yield* TcpListener.bind({ host: HOST, port: 0 });
      resolve(listener.localAddr.port);
      for (;;) {
        const stream = yield* listener.accept();
        stream.setNoDelay(true);
        spawn(serve, stream);
      }
    });
  });
}

const BUFFER = 65_536;
const ONE = new Uint8Array([1]);

/** @param size bytes of the buffer of each connection */
export const echo = {
  generator: (size = BUFFER) =>
    ours(function* (stream) {
      const buffer = new Uint8Array(size);
      for (let n; (n = yield* stream.read(buffer)) > 0; ) yield* stream.writeAll(buffer.subarray(0, n));
      stream.close();
    }),
  async: (size = BUFFER) =>
    ours(async (stream) => {
      const buffer = new Uint8Array(size);
      for (let n; (n = await stream.read(buffer)) > 0; ) await stream.writeAll(buffer.subarray(0, n));
      stream.close();
    }),
  "async iterator": () =>
    bare(async (socket) => {
      for await (const chunk of socket) if (!socket.write(chunk)) await once(socket, "drain");
    }),
  pipeline: () => bare((socket) => void pipeline(socket, socket).catch(() => {})),
  "net events": () => bare((socket) => socket.on("data", (chunk) => socket.write(chunk))),
};

/** Counts bytes and answers with one for every `total`. */
export const sink = (total) => ({
  generator: () =>
    ours(function* (stream) {
      const buffer = new Uint8Array(BUFFER);
      let got = 0;
      for (let n; (n = yield* stream.read(buffer)) > 0; ) {
        got += n;
        if (got >= total) {
          got -= total;
          yield* stream.writeAll(ONE);
        }
      }
      stream.close();
    }),
  async: () =>
    ours(async (stream) => {
      const buffer = new Uint8Array(BUFFER);
      let got = 0;
      for (let n; (n = await stream.read(buffer)) > 0; ) {
        got += n;
        if (got >= total) {
          got -= total;
          await stream.writeAll(ONE);
        }
      }
      stream.close();
    }),
  "async iterator": () =>
    bare(async (socket) => {
      let got = 0;
      for await (const chunk of socket) {
        got += chunk.length;
        if (got >= total) {
          got -= total;
          socket.write(ONE);
        }
      }
    }),
  "net events": () =>
    bare((socket) => {
      let got = 0;
      socket.on("data", (chunk) => {
        got += chunk.length;
        if (got >= total) {
          got -= total;
          socket.write(ONE);
        }
      });
    }),
});

export const greet = {
  generator: () =>
    ours(function* (stream) {
      yield* stream.writeAll(ONE);
      stream.close();
    }),
  async: () =>
    ours(async (stream) => {
      await stream.writeAll(ONE);
      stream.close();
    }),
  "net events": () => bare((socket) => socket.end(ONE)),
};

const DATAGRAM = 2048;

async function oursUdp(serve) {
  const { run } = await import("../lib/tokiwa.mjs");
  const { UdpSocket } = await import("../../dist/net.js");
  return new Promise((resolve) => {
    void run(async () => {
      const socket = await UdpSocket.bind({ host: HOST, port: 0 });
      resolve(socket.localAddr.port);
      await serve(socket);
    });
  });
}

export const echoUdp = {
  generator: async () => {
    const { spawn } = await import("../lib/tokiwa.mjs");
    return oursUdp((socket) =>
      spawn(function* () {
        const buffer = new Uint8Array(DATAGRAM);
        for (;;) {
          const [n, from] = yield* socket.recvFrom(buffer);
          yield* socket.sendTo(buffer.subarray(0, n), from);
        }
      }),
    );
  },
  async: () =>
    oursUdp(async (socket) => {
      const buffer = new Uint8Array(DATAGRAM);
      for (;;) {
        const [n, from] = await socket.recvFrom(buffer);
        await socket.sendTo(buffer.subarray(0, n), from);
      }
    }),
  "dgram events": async () => {
    const socket = createSocket("udp4");
    socket.on("message", (message, from) => socket.send(message, from.port, from.address));
    socket.bind(0, HOST);
    await once(socket, "listening");
    return socket.address().port;
  },
};

const HELLO = "hello, world";

/** The same parser and the same answer as ours, in event code. */
async function bareHttp() {
  const { HTTPParser } = await import("http-parser-js");
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${HELLO.length}\r\nconnection: keep-alive\r\n\r\n${HELLO}`);
  return bare((socket) => {
    const parser = new HTTPParser(HTTPParser.REQUEST);
    parser[HTTPParser.kOnHeadersComplete] = () => {};
    parser[HTTPParser.kOnBody] = () => {};
    parser[HTTPParser.kOnMessageComplete] = () => void socket.write(answer);
    socket.on("data", (chunk) => parser.execute(chunk));
  });
}

export const hello = {
  generator: async () => {
    const { MessageReader, respond } = await import("../../examples/net/http.mjs");
    return ours(function* (stream) {
      const reader = new MessageReader(stream, "REQUEST");
      for (let request; (request = yield* reader.head()) !== undefined; ) {
        yield* reader.skipBody(0);
        yield* respond(stream, 200, "OK", ["content-type", "text/plain"], HELLO, request.keepsAlive);
      }
      stream.close();
    });
  },
  "net events, same parser": bareHttp,
  "node:http": async () => {
    const server = createHttpServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/plain", "content-length": HELLO.length });
      response.end(HELLO);
    });
    server.listen(0, HOST);
    await once(server, "listening");
    return server.address().port;
  },
};
