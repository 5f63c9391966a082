// Serves the example pages, with a WebSocket at /echo that sends everything back. Build the package first (npm run build).
//
//   node examples/serve.mjs [port]      then open what it prints
//
//   /examples/...            as most pages are: threads talk by messages
//   /isolated/examples/...   with COOP and COEP headers: SharedArrayBuffer is there, threads talk through shared memory
//
// Only dist/ and examples/ are served.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGES = ["page", "emscripten-page", "rust-page", "assemblyscript", "sqlite-page", "julia"];
const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".map": "application/json", ".wasm": "application/wasm" };
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

const INDEX = `<!doctype html><meta charset="utf-8"><title>tokiwa: example pages</title><link rel="stylesheet" href="/examples/guest-page.css"><h1>Example pages</h1><ul>${PAGES.map(
  (name) => `<li><a href="/examples/${name}/">${name}</a> (<a href="/isolated/examples/${name}/">isolated</a>)`,
).join("")}</ul>`;

async function answer(request, response) {
  const [, isolated, rest] = /^(\/isolated)?(\/.*)$/.exec(normalize(decodeURIComponent(new URL(request.url, "http://page").pathname)));
  const path = rest.endsWith("/") ? `${rest}index.html` : rest;
  const headers = { "cache-control": "no-store", ...(isolated && ISOLATED) };
  const isServed = /^\/(dist|examples)\/[^\\]+$/.test(path);
  const bytes = isServed ? await readFile(join(ROOT, path)).catch(() => undefined) : undefined;
  if (rest === "/") response.writeHead(200, { ...headers, "content-type": TYPES[".html"] }).end(INDEX);
  else if (path === "/favicon.ico") response.writeHead(204).end();
  else if (bytes === undefined) response.writeHead(404).end(`no ${path}`);
  else send(request, response, bytes, { ...headers, "content-type": TYPES[extname(path)] ?? "text/plain" });
}

/** The whole file, or the range that was asked for. */
function send(request, response, bytes, headers) {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const [first, last] = range === null ? [0, bytes.length - 1] : [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
  if (range !== null) headers["content-range"] = `bytes ${first}-${last}/${bytes.length}`;
  headers["content-length"] = Math.max(0, last - first + 1);
  response.writeHead(range === null ? 200 : 206, headers).end(request.method === "HEAD" ? undefined : bytes.subarray(first, last + 1));
}

/** @returns where it listens, and what ends it */
export async function serve(port = 0) {
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  const sockets = new WebSocketServer({ server, path: "/echo" });
  sockets.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close() {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      server.closeAllConnections();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(`the example pages: ${(await serve(Number(process.argv[2] ?? 8080))).origin}/`);
