import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, expect, test } from "vitest";
import { PENDING, sleep, spawn } from "tokiwa";
import { task } from "tokiwa/testing";
import { UnixListener, UnixStream } from "tokiwa/net";
import { bytes, descriptors, errorOf, eventually, text } from "./support/net.ts";

const directory = mkdtempSync(joinPath(tmpdir(), "tokiwa-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("an echo over a Unix socket, with half close; the file goes with the listener", async () => {
  const path = joinPath(directory, "echo.sock");
  const listener = await UnixListener.bind({ path });
  expect(listener.localAddr).toEqual({ path });
  spawn(async () => {
    for await (const stream of listener) {
      await stream.writeAll(await stream.readToEnd());
      stream.close();
    }
  });
  const client = await UnixStream.connect({ path });
  expect([client.localAddr, client.peerAddr]).toEqual([{ path: "" }, { path }]);
  const [read, write] = client.split();
  await write.writeAll([bytes("over "), bytes("a file")]);
  await write.shutdown();
  expect(text(await read.readToEnd())).toBe("over a file");
  client.close();
  listener.close();
  expect(existsSync(path)).toBe(false);
});

test("errors keep their codes", async () => {
  const path = joinPath(directory, "used.sock");
  expect((await errorOf(UnixStream.connect({ path }))).code).toBe("ENOENT");
  const listener = await UnixListener.bind({ path });
  expect((await errorOf(UnixListener.bind({ path }))).code).toBe("EADDRINUSE");
  listener.close();
  expect((await errorOf(() => UnixStream.connect({ path: "" }))).name).toBe("OptionError");
  expect((await errorOf(() => UnixStream.connect({} as { path: string }))).message).toContain("addr.path must be the path of a socket, got undefined");
});

test("shutdown sends the end and reading goes on; the halves are two tasks'", async () => {
  const path = joinPath(directory, "halves.sock");
  const listener = await UnixListener.bind({ path });
  const accepted = spawn(listener.accept());
  const client = await UnixStream.connect({ path });
  const server = await accepted;
  const [read, write] = server.split();
  const answering = spawn(async () => {
    const all = await read.readToEnd();
    await write.writeAll([all, bytes("!")]);
    write[Symbol.dispose]();
  });
  await client.writeAll(bytes("over"));
  await client.shutdown();
  expect((await errorOf(client.write(bytes("x")))).code).toBe("TOKIWA_CLOSED");
  expect(text(await client.readToEnd())).toBe("over!");
  await answering;
  client.close();
  server.close();
  listener.close();
});

test("a peer that goes away: bytes, then the end, then EPIPE for the writer", async () => {
  const path = joinPath(directory, "gone.sock");
  const listener = await UnixListener.bind({ path });
  const accepted = spawn(listener.accept());
  const client = await UnixStream.connect({ path });
  const server = await accepted;
  await server.writeAll(bytes("bye"));
  server.close();
  expect(text(await client.readToEnd())).toBe("bye");
  const error = await errorOf(async () => {
    for (let i = 0; i < 100; i++) {
      await client.writeAll(bytes("x"));
      await sleep(1);
    }
  });
  expect(error.code).toMatch(/EPIPE|ECONNRESET/);
  client.close();
  listener.close();
});

test("a listener that goes while a connection is made is an error or an end, and leaves nothing", async () => {
  const before = descriptors();
  const path = joinPath(directory, "hup.sock");
  const listener = await UnixListener.bind({ path });
  const connecting = task(UnixStream.connect({ path }));
  expect(connecting.poll()).toBe(PENDING);
  listener.close();
  await eventually(() => connecting.isWoken, "the connection to be made or refused");
  try {
    const stream = connecting.poll() as UnixStream;
    expect(await stream.read(new Uint8Array(1))).toBe(0);
    stream.close();
  } catch (error) {
    expect((error as { code: string }).code).toMatch(/ECONNREFUSED|ECONNRESET|ENOENT/);
  }
  await eventually(() => descriptors() <= before, "both ends to be closed");
});

// Tokio's uds_stream, uds_split and uds_socket (listen_and_stream) are here. Without a meaning: uds_cred (the host
// tells nobody's credentials), uds_datagram, abstract_socket_name, try_read_write, poll_read_ready (readiness is not shown),
// net_unix_pipe, net_named_pipe (files of the host's fs module; on Windows a path \\\\.\\pipe\\name is a UnixListener's).
