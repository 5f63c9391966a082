// An HTTP/1.1 server of static files. Run: node examples/net/http-static.mjs        or, to serve: ... http-static.mjs 8080 DIRECTORY
//
// Reads requests with BufReader (limits on lines and headers), keeps connections alive, closes those that are silent
// for long, streams files with backpressure. GET and HEAD only; nothing outside of the directory.
import { open } from "node:fs/promises";
import { extname, join, resolve, sep } from "node:path";
import { fromPromise, lazy, run, select, sleep, spawn, timeout } from "tokiwa";
import { BufReader, ctrlC, TcpListener } from "tokiwa/net";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".json": "application/json", ".wasm": "application/wasm" };
const LIMIT = 8192;
const MAX_HEADERS = 100;
const IDLE_MS = 5000;
const encoder = new TextEncoder();

class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The next request, undefined when the peer has ended the connection. */
function* readRequest(reader) {
  const line = yield* reader.readLine({ limit: LIMIT });
  if (line === undefined) return undefined;
  const start = /^([A-Z]+) (\/[^ ]*) HTTP\/1\.([01])\r?\n$/.exec(line);
  if (start === null) throw new HttpError(400, "Bad Request");
  const [, method, target, minor] = start;
  const headers = new Map();
  for (;;) {
    const header = yield* reader.readLine({ limit: LIMIT });
    if (header === undefined) throw new HttpError(400, "Bad Request");
    if (header === "\r\n" || header === "\n") break;
    const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\r?\n$/.exec(header);
    if (parts === null || headers.size === MAX_HEADERS) throw new HttpError(400, "Bad Request");
    headers.set(parts[1].toLowerCase(), parts[2]);
  }
  if (headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) !== 0) throw new HttpError(413, "Content Too Large");
  const connection = (headers.get("connection") ?? (minor === "1" ? "keep-alive" : "close")).toLowerCase();
  return { method, target, keepsAlive: connection !== "close" };
}

function head(status, text, headers) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return encoder.encode(`HTTP/1.1 ${status} ${text}\r\n${lines.join("")}\r\n`);
}

/** The file a target names, below the root. */
function pathOf(root, target) {
  let path;
  try {
    path = decodeURIComponent(target.split("?")[0]);
  } catch {
    throw new HttpError(400, "Bad Request");
  }
  const file = resolve(join(root, path.endsWith("/") ? `${path}index.html` : path));
  if (path.includes("\0") || !file.startsWith(root + sep)) throw new HttpError(404, "Not Found");
  return file;
}

function* answer(root, stream, { method, target, keepsAlive }) {
  if (method !== "GET" && method !== "HEAD") throw new HttpError(405, "Method Not Allowed");
  const path = pathOf(root, target);
  const file = yield* fromPromise(open(path).catch(() => undefined));
  if (file === undefined) throw new HttpError(404, "Not Found");
  try {
    const info = yield* fromPromise(file.stat());
    if (!info.isFile()) throw new HttpError(404, "Not Found");
    const headers = { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "content-length": info.size, connection: keepsAlive ? "keep-alive" : "close" };
    yield* stream.writeAll(head(200, "OK", headers));
    if (method === "HEAD") return;
    const buffer = new Uint8Array(65_536);
    for (let left = info.size; left > 0; ) {
      const { bytesRead } = yield* fromPromise(file.read(buffer, 0, Math.min(left, buffer.length)));
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was sent`);
      yield* stream.writeAll(buffer.subarray(0, bytesRead));
      left -= bytesRead;
    }
  } finally {
    void file.close();
  }
}

function* connection(root, stream) {
  const reader = new BufReader(stream);
  try {
    for (;;) {
      const request = yield* timeout(IDLE_MS, lazy(readRequest, reader));
      if (request === undefined) break;
      try {
        yield* answer(root, stream, request);
      } catch (error) {
        if (!(error instanceof HttpError)) throw error;
        yield* refuse(stream, error, request.keepsAlive);
      }
      if (!request.keepsAlive) break;
    }
  } catch (error) {
    if (error instanceof HttpError) yield* refuse(stream, error, false);
  } finally {
    stream.close();
  }
}

function* refuse(stream, { status, message }, keepsAlive) {
  const body = encoder.encode(`${status} ${message}\n`);
  yield* stream.writeAll([head(status, message, { "content-type": "text/plain", "content-length": body.length, connection: keepsAlive ? "keep-alive" : "close" }), body]);
}

function* serve(root, listener) {
  for (;;) spawn(connection, root, yield* listener.accept()).result();
}

await run(async () => {
  const port = Number(process.argv[2] ?? 0);
  const root = resolve(process.argv[3] ?? new URL(".", import.meta.url).pathname);
  const listener = await TcpListener.bind({ host: "127.0.0.1", port });
  const server = spawn(serve, root, listener);
  const origin = `http://127.0.0.1:${listener.localAddr.port}`;
  if (port !== 0) {
    console.log(`serving ${root} on ${origin}, Ctrl-C ends it`);
    await select({ server, quit: ctrlC() });
  } else {
    const [page, missing, outside] = await Promise.all(["/tcp-echo.mjs", "/none", "/%2e%2e/%2e%2e/package.json"].map((path) => fetch(origin + path)));
    console.log(page.status, page.headers.get("content-type"), (await page.text()).includes("TcpListener"));
    console.log(missing.status, (await missing.text()).trim());
    console.log(outside.status, (await outside.text()).trim());
  }
  server.abort();
  listener.close();
  await sleep(0);
});
