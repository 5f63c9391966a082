// Serves the example pages, with a WebSocket at /echo that sends everything back.
//
//   node examples/serve.mjs [port]      then open http://127.0.0.1:8080/examples/emscripten-page/
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDERS = ["/dist/", "/examples/"];
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

async function answer(request, response) {
  let path = normalize(decodeURIComponent(new URL(request.url, "http://page").pathname));
  if (path.endsWith("/")) path += "index.html";
  const bytes = FOLDERS.some((folder) => path.startsWith(folder)) ? await readFile(join(ROOT, path)).catch(() => undefined) : undefined;
  if (path === "/favicon.ico") response.writeHead(204).end();
  else if (bytes === undefined) response.writeHead(404).end(`no ${path}`);
  else send(request, response, bytes, { "content-type": TYPES[extname(path)] ?? "text/plain", "cache-control": "no-store" });
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

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(`serving ${(await serve(Number(process.argv[2] ?? 8080))).origin}/examples/emscripten-page/`);
