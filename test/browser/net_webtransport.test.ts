// WebTransport in Chromium, against the HTTP/3 server of Deno: no other host of ours has one.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";

const canRun = (command: string, argument: string): boolean => spawnSync(command, [argument]).status === 0;
const ofLane = fileURLToPath(new URL("../../.nodes/deno/node_modules/.bin/deno", import.meta.url));
const deno = [process.env["DENO_PATH"], ofLane, "deno"].find((path) => path !== undefined && canRun(path, "--version"));
const isPossible = deno !== undefined && canRun("openssl", "version");

/** Sends back what comes on a stream; asked to "call me", it opens one itself. */
const SERVER = `
  const [cert, key] = Deno.args.map((file) => Deno.readTextFileSync(file));
  const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
  const listener = endpoint.listen({ cert, key, alpnProtocols: ["h3"] });
  console.log(endpoint.addr.port);
  async function serve(transport, { readable, writable }) {
    const writer = writable.getWriter();
    for await (const bytes of readable) {
      if (new TextDecoder().decode(bytes) !== "call me\\n") await writer.write(bytes);
      else {
        const stream = await transport.createBidirectionalStream();
        await stream.writable.getWriter().write(new TextEncoder().encode("here I am\\n"));
      }
    }
  }
  for (;;) {
    try {
      const transport = await Deno.upgradeWebTransport(await listener.accept());
      await transport.ready;
      (async () => { for await (const stream of transport.incomingBidirectionalStreams) serve(transport, stream).catch(() => {}); })().catch(() => {});
    } catch {}
  }
`;

test.skipIf(!isPossible)("streams both ways, opened by either side (needs Deno and the openssl program)", { timeout: 120_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "tokiwa-"));
  const [keyFile, certFile] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", keyFile, "-out", certFile],
  ], { stdio: "ignore" });
  const hash = createHash("sha256").update(new X509Certificate(readFileSync(certFile)).raw).digest("base64");
  const server = spawn(deno as string, ["run", "-A", "--unstable-net", "--ext=js", "-", certFile, keyFile], { stdio: ["pipe", "pipe", "inherit"] });
  const harness = await PageHarness.start([], ["--disable-quic"]);
  try {
    server.stdin.end(SERVER);
    const port = await new Promise<number>((resolve) => server.stdout.once("data", (data: Buffer) => resolve(Number(data.toString()))));
    const { value } = await harness.run("plain", "test/browser/pages/webtransport.js", { argument: { port, hash }, allowProblems: true });
    expect(value).toEqual({ echoes: ["one\n", "two\n"], name: "late", greeting: "here I am\n", got: 1 << 20, ended: true, refused: "TOKIWA_WEBTRANSPORT" });
  } finally {
    await harness.close();
    server.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  }
});
