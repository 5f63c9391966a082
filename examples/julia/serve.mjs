// Serves the page twice: node examples/julia/serve.mjs [port]
//
//   /isolated/...   with COOP and COEP headers: SharedArrayBuffer is there, threads talk through shared memory
//   /plain/...      without: most pages are like this, threads talk by messages
//
// Build the package first (npm run build). Only dist/ and this folder are served.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SERVED = /^\/(dist|examples\/julia)\/[^\\]+$/;
const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".map": "application/json" };
const HEADERS = {
  isolated: { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" },
  plain: {},
};
const PAGE = "/examples/julia/index.html";

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const [, kind, path] = /^\/(isolated|plain)(\/.*)$/.exec(normalize(decodeURIComponent(pathname))) ?? [];
  const content = path !== undefined && SERVED.test(path) ? await readFile(join(ROOT, path)).catch(() => undefined) : undefined;
  if (content !== undefined) {
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "cache-control": "no-cache", ...HEADERS[kind] }).end(content);
  } else if (pathname === "/" || path === "/") response.writeHead(302, { location: `/${kind ?? "isolated"}${PAGE}` }).end();
  else if (pathname === "/favicon.ico") response.writeHead(204).end();
  else response.writeHead(404).end("not here");
});
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  const { port } = server.address();
  for (const kind of Object.keys(HEADERS)) console.log(`http://127.0.0.1:${port}/${kind}${PAGE}`);
});
