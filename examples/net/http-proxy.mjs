// A reverse proxy for HTTP/1.1. Run: node examples/net/http-proxy.mjs        or, to serve: ... http-proxy.mjs 8080 HOST PORT
//
// Heads are parsed and written anew, without those that concern one connection only; bodies pass piece by piece, as
// fast as the slower side takes them. Each client has a connection to the server behind, which is kept alive, too.
import { createServer } from "node:http";
import { run, select, spawn, timeout } from "tokiwa";
import { ctrlC, TcpListener, TcpStream } from "tokiwa/net";
import { header, headBytes, HttpError, MessageReader, refuse } from "./http.mjs";

const CONNECT_MS = 3000;
const HOP_BY_HOP = new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);
const encoder = new TextEncoder();
const LAST_CHUNK = encoder.encode("0\r\n\r\n");
const LINE_END = encoder.encode("\r\n");

/** What goes on to the other side: [name, value, ...]. */
function forwarded(head, isChunked) {
  const dropped = new Set(HOP_BY_HOP);
  for (const name of (header(head, "connection") ?? "").split(",")) dropped.add(name.trim().toLowerCase());
  if (isChunked) dropped.add("content-length");
  const headers = [];
  for (let i = 0; i < head.headers.length; i += 2) if (!dropped.has(head.headers[i].toLowerCase())) headers.push(head.headers[i], head.headers[i + 1]);
  if (isChunked) headers.push("transfer-encoding", "chunked");
  return headers;
}

const isChunked = (head) => (header(head, "transfer-encoding") ?? "").toLowerCase().includes("chunked");

/** Passes a body on; what came in chunks goes in chunks. */
function* passBody(reader, writer, inChunks) {
  for (let piece; (piece = yield* reader.piece()) !== undefined; ) {
    if (inChunks) yield* writer.writeAll([encoder.encode(`${piece.length.toString(16)}\r\n`), piece, LINE_END]);
    else yield* writer.writeAll(piece);
  }
  if (inChunks) yield* writer.writeAll(LAST_CHUNK);
}

/** One request there, one answer back. Returns whether both connections can be used again. */
function* exchange(request, client, fromClient, server, fromServer) {
  const chunkedUp = isChunked(request);
  yield* server.writeAll(headBytes(`${request.method} ${request.url} HTTP/1.1`, [...forwarded(request, chunkedUp), "connection", "keep-alive"]));
  yield* passBody(fromClient, server, chunkedUp);
  fromServer.hasNoBody = request.method === "HEAD";
  const response = yield* fromServer.head();
  if (response === undefined) throw new HttpError(502, "Bad Gateway");
  const keepsAlive = request.keepsAlive && response.keepsAlive;
  const chunkedDown = isChunked(response);
  const headers = [...forwarded(response, chunkedDown), "connection", keepsAlive ? "keep-alive" : "close"];
  yield* client.writeAll(headBytes(`HTTP/1.1 ${response.statusCode} ${response.statusMessage}`, headers));
  yield* passBody(fromServer, client, chunkedDown && !fromServer.hasNoBody);
  return keepsAlive;
}

function* serve(client, target) {
  const fromClient = new MessageReader(client, "REQUEST");
  let server;
  try {
    let fromServer;
    for (let request; (request = yield* fromClient.head()) !== undefined; ) {
      if (server === undefined) {
        server = yield* connectTo(target);
        fromServer = new MessageReader(server, "RESPONSE");
      }
      if (!(yield* exchange(request, client, fromClient, server, fromServer))) break;
    }
  } catch (error) {
    yield* refuse(client, error, false);
  } finally {
    client.close();
    server?.close();
  }
}

function* connectTo(target) {
  try {
    return yield* timeout(CONNECT_MS, TcpStream.connect(target));
  } catch {
    throw new HttpError(502, "Bad Gateway");
  }
}

function* accept(listener, target) {
  for (;;) spawn(serve, yield* listener.accept(), target).result();
}

/** A server to stand behind the proxy: answers with what it was asked, in chunks. */
async function behind() {
  const server = createServer((request, response) => {
    let length = 0;
    request.on("data", (data) => (length += data.length)).on("end", () => {
      response.write(`${request.method} ${request.url}, `);
      response.end(`${length} bytes`);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

await run(async () => {
  const [port, host, targetPort] = process.argv.slice(2);
  const server = port === undefined ? await behind() : undefined;
  const target = server === undefined ? { host, port: Number(targetPort) } : { host: "127.0.0.1", port: server.address().port };
  const listener = await TcpListener.bind({ host: "127.0.0.1", port: Number(port ?? 0) });
  const accepting = spawn(accept, listener, target);
  const origin = `http://127.0.0.1:${listener.localAddr.port}`;
  if (server === undefined) {
    console.log(`${origin} passes on to ${target.host}:${target.port}, Ctrl-C ends it`);
    await select({ accepting, quit: ctrlC() });
  } else {
    const ask = async (path, options) => {
      const response = await fetch(origin + path, options);
      return `${response.status} ${await response.text()}`.trim();
    };
    console.log(await ask("/hello"));
    console.log(await ask("/upload", { method: "POST", body: new Uint8Array(300_000) }));
    console.log(await ask("/head", { method: "HEAD" }));
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    console.log(await ask("/nobody-behind"));
  }
  accepting.abort();
  listener.close();
});
