// A small HTTP server for pages: dist/ and test/, one origin per kind of page.
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** The kinds of page that a program must run in. */
export const SCENARIOS = {
  /** SharedArrayBuffer can be posted to workers. */
  isolated: { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" },
  /** No headers at all. */
  plain: {},
  /** The strict policy of the manual; no isolation. */
  strict: { "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'" },
  /** The strict policy in an isolated page. */
  "strict-isolated": {
    "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  },
  /** Other origins may load its modules. */
  open: { "access-control-allow-origin": "*" },
  /** A policy under which Wasm cannot be compiled. */
  "no-wasm": { "content-security-policy": "script-src 'self'; worker-src 'self'" },
} as const satisfies Record<string, Record<string, string>>;
export type Scenario = keyof typeof SCENARIOS;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SERVED = ["/build/hosts/", "/dist/", "/test/browser/pages/", "/test/hosts/", "/test/guests/fixtures/"];
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".wasm": "application/wasm",
};

export interface PageServer {
  readonly origin: string;
  /** Resolves with what the page of this id reports. */
  report(id: string): Promise<PageReport>;
  /** How far the page of this id has come, by its own account: for whoever gives up waiting. Undefined before it has asked for anything. */
  step(id: string): string | undefined;
  /** Serves a file that exists only for a test. */
  add(path: string, content: string | Uint8Array): void;
  /** No longer. */
  remove(path: string): void;
  close(): Promise<void>;
}

export interface PageReport {
  readonly value?: unknown;
  readonly error?: string;
  /** Policy violations that the page saw. */
  readonly violations: string[];
}

export async function servePages(scenario: Scenario): Promise<PageServer> {
  const added = new Map<string, string | Uint8Array>();
  const waiting = new Map<string, PromiseWithResolvers>();
  const steps = new Map<string, string>();
  const slot = (id: string): PromiseWithResolvers => {
    let entry = waiting.get(id);
    if (!entry) waiting.set(id, (entry = withResolvers()));
    return entry;
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://page");
    const path = normalize(decodeURIComponent(url.pathname));
    if (request.method === "POST" && path === "/report") {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      slot(url.searchParams.get("id") ?? "").resolve(JSON.parse(Buffer.concat(chunks).toString()) as PageReport);
      response.writeHead(204).end();
      return;
    }
    if (request.method === "POST" && path === "/step") {
      steps.set(url.searchParams.get("id") ?? "", url.searchParams.get("name") ?? "");
      response.writeHead(204).end();
      return;
    }
    if (path.endsWith("/harness.html")) steps.set(url.searchParams.get("id") ?? "", "loading");
    if (path === "/favicon.ico") {
      response.writeHead(204).end();
      return;
    }
    const content = added.get(path) ?? (SERVED.some((prefix) => path.startsWith(prefix)) ? await readFile(join(ROOT, path)).catch(() => undefined) : undefined);
    if (content === undefined) {
      response.writeHead(404).end(`no ${path}`);
      return;
    }
    response.writeHead(200, {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
      "cache-control": "no-store",
      "cross-origin-resource-policy": "same-origin",
      ...SCENARIOS[scenario],
    });
    response.end(content);
  };

  const server: Server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  server.keepAliveTimeout = 0;                             // or it closes a connection in the moment in which a page uses it again
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    report: (id) => slot(id).promise,
    step: (id) => steps.get(id),
    add: (path, content) => void added.set(path, content),
    remove: (path) => void added.delete(path),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface PromiseWithResolvers {
  readonly promise: Promise<PageReport>;
  readonly resolve: (report: PageReport) => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve!: (report: PageReport) => void;
  const promise = new Promise<PageReport>((done) => (resolve = done));
  return { promise, resolve };
}
