// An HTTP/1.1 server of static files. Run: node examples/net/http-static.mjs        or, to serve: ... http-static.mjs 8080 DIRECTORY
//
// Requests are parsed by http-parser-js (http.mjs), connections are kept alive, those that are silent for long are
// closed, files are streamed with backpressure. GET and HEAD only; nothing outside of the directory.
// Ctrl-C ends it in good order: no new connections, requests under way are finished, idle connections closed.
import { open } from "node:fs/promises";
import { extname, join, resolve, sep } from "node:path";
import { CancellationToken, fromPromise, run, select, spawn, TaskTracker, timeout, TimeoutError } from "tokiwa";
import { ctrlC, TcpListener } from "tokiwa/net";
import { headBytes, HttpError, MessageReader, refuse } from "./http.mjs";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".json": "application/json", ".wasm": "application/wasm" };
const BODY_LIMIT = 65_536;
const IDLE_MS = 5000;
const GRACE_MS = 3000;

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

function* answer(root, stream, { method, url, keepsAlive }) {
  if (method !== "GET" && method !== "HEAD") throw new HttpError(405, "Method Not Allowed");
  const path = pathOf(root, url);
  const file = yield* fromPromise(open(path).catch(() => undefined));
  if (file === undefined) throw new HttpError(404, "Not Found");
  try {
    const info = yield* fromPromise(file.stat());
    if (!info.isFile()) throw new HttpError(404, "Not Found");
    const headers = ["content-type", TYPES[extname(path)] ?? "application/octet-stream", "content-length", info.size, "connection", keepsAlive ? "keep-alive" : "close"];
    yield* stream.writeAll(headBytes("HTTP/1.1 200 OK", headers));
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

/** The next request; undefined when the peer has ended, is silent for too long, or we are told to stop. */
function* nextRequest(reader, stop) {
  const { name, value } = yield* select({ request: timeout(IDLE_MS, reader.nextHead()), stop: stop.cancelled() });
  return name === "request" ? value : undefined;
}

function* connection(root, stream, stop) {
  const reader = new MessageReader(stream, "REQUEST");
  try {
    for (let request; (request = yield* nextRequest(reader, stop)) !== undefined; ) {
      request.keepsAlive &&= !stop.isCancelled;
      yield* reader.skipBody(BODY_LIMIT);
      try {
        yield* answer(root, stream, request);
      } catch (error) {
        yield* refuse(stream, error, request.keepsAlive);
      }
      if (!request.keepsAlive) break;
    }
  } catch (error) {
    if (!(error instanceof TimeoutError)) yield* refuse(stream, error, false);
  } finally {
    stream.close();
  }
}

/** Serves until it is told to stop, and ends when every request is answered. */
export async function serve(root, listener, stop) {
  const tracker = new TaskTracker();
  const accepting = spawn(function* () {
    for (;;) tracker.spawn(connection, root, yield* listener.accept(), stop).result();
  });
  await stop.cancelled();
  accepting.abort();
  listener.close();
  tracker.close();
  await timeout(GRACE_MS, tracker.wait());
}

await run(async () => {
  const port = Number(process.argv[2] ?? 0);
  const root = resolve(process.argv[3] ?? new URL(".", import.meta.url).pathname);
  const listener = await TcpListener.bind({ host: "127.0.0.1", port });
  const stop = new CancellationToken();
  const serving = spawn(serve, root, listener, stop);
  const origin = `http://127.0.0.1:${listener.localAddr.port}`;
  if (process.argv[2] !== undefined) {
    console.log(`serving ${root} on ${origin}, Ctrl-C ends it`);
    await select({ serving, quit: ctrlC() });
  } else {
    const [page, missing, outside] = await Promise.all(["/tcp-echo.mjs", "/none", "/%2e%2e/%2e%2e/package.json"].map((path) => fetch(origin + path)));
    console.log(page.status, page.headers.get("content-type"), (await page.text()).includes("TcpListener"));
    console.log(missing.status, (await missing.text()).trim());
    console.log(outside.status, (await outside.text()).trim());
    const posted = await fetch(origin, { method: "POST", body: "text" });
    console.log(posted.status, (await posted.text()).trim());
  }
  stop.cancel("Ctrl-C");
  await serving;
  console.log("all requests answered");
});
