// The servers that are compared: ours over generators and async functions, event code and async iterators on node:net.
import { once } from "node:events";
import { createServer } from "node:net";

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

export const echo = {
  generator: () =>
    ours(function* (stream) {
      const buffer = new Uint8Array(BUFFER);
      for (let n; (n = yield* stream.read(buffer)) > 0; ) yield* stream.writeAll(buffer.subarray(0, n));
      stream.close();
    }),
  async: () =>
    ours(async (stream) => {
      const buffer = new Uint8Array(BUFFER);
      for (let n; (n = await stream.read(buffer)) > 0; ) await stream.writeAll(buffer.subarray(0, n));
      stream.close();
    }),
  "async iterator": () =>
    bare(async (socket) => {
      for await (const chunk of socket) if (!socket.write(chunk)) await once(socket, "drain");
    }),
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
