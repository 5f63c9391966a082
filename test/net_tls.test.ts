import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { join, sleep, spawn } from "tokiwa";
import { TcpListener, type TcpStream, TlsStream } from "tokiwa/net";
import { bytes, descriptors, errorOf, eventually, LOOPBACK, tcpPair, text } from "./support/net.ts";

// Certificates are made when the tests run: one in the repository would be out of date some day.
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

describe.skipIf(!hasOpenssl)("TLS (needs the openssl program)", () => {
  let key: string;
  let cert: string;
  const directory = mkdtempSync(joinPath(tmpdir(), "tokiwa-"));
  beforeAll(() => {
    const [keyFile, certFile] = [joinPath(directory, "key.pem"), joinPath(directory, "cert.pem")];
    execFileSync("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", keyFile, "-out", certFile],
    ], { stdio: "ignore" });
    key = readFileSync(keyFile, "utf8");
    cert = readFileSync(certFile, "utf8");
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test("an echo, with ALPN, many bytes and half close", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const server = spawn(async () => {
      const stream = await TlsStream.accept(await listener.accept(), { key, cert, ALPNProtocols: ["echo"] });
      await stream.writeAll(await stream.readToEnd());
      await stream.shutdown();
      stream.close();
    });
    const client = await TlsStream.connect({ host: "localhost", port: listener.localAddr.port }, { ca: cert, ALPNProtocols: ["echo"] });
    expect(client.alpnProtocol).toBe("echo");
    expect(client.protocol).toMatch(/^TLSv1\.[23]$/);
    const sent = new Uint8Array(500_000).map((_, i) => i * 3);
    const [, got] = await join(
      spawn(async () => {
        await client.writeAll(sent);
        await client.shutdown();
      }),
      client.readToEnd(),
    );
    expect(Buffer.compare(got, sent)).toBe(0);
    await server;
    client.close();
    listener.close();
  });

  test("over streams that are connected already, with bytes waiting in them", async () => {
    const [a, b] = await tcpPair();
    const connecting = spawn(TlsStream.connect(a, { ca: cert, servername: "localhost" }));
    await sleep(20);                                                // the hello is in b's queue by now
    const server = await TlsStream.accept(b, { key, cert });
    const client = await connecting;
    await client.writeAll(bytes("secret"));
    const into = new Uint8Array(6);
    await server.readExact(into);
    expect(text(into)).toBe("secret");
    expect((await errorOf(a.read(into))).code).toBe("TOKIWA_CLOSED");
    client.close();
    server.close();
  });

  test("a certificate that is not trusted, a wrong name, and no TLS at all are errors with the host's codes", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const loop = spawn(async () => {
      for await (const stream of listener) spawn(async () => (await TlsStream.accept(stream, { key, cert })).close()).result();
    });
    const { port } = listener.localAddr;
    expect((await errorOf(TlsStream.connect({ host: "localhost", port }))).code).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    expect((await errorOf(TlsStream.connect({ host: LOOPBACK, port }, { ca: cert, servername: "example.org" }))).code).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    listener.close();
    await loop;
    const [a, b] = await tcpPair();
    const accepting = errorOf(TlsStream.accept(b, { key, cert }));
    await a.writeAll(bytes("this is no handshake\r\n\r\n"));
    expect((await accepting).code).toMatch(/ERR_SSL|ECONNRESET|EPROTO/);
    a.close();
    expect((await errorOf(() => TlsStream.accept({} as TcpStream, {}))).name).toBe("OptionError");
  });

  test("a dropped handshake closes the socket", async () => {
    const before = descriptors();
    const [a, b] = await tcpPair();
    const accepting = spawn(TlsStream.accept(b, { key, cert }));
    await sleep(5);
    accepting.abort();
    await accepting.result();
    expect(await a.read(new Uint8Array(1)).then((n) => n, () => 0)).toBe(0);
    a.close();
    await eventually(() => descriptors() <= before, "both sockets to be closed");
  });
});
