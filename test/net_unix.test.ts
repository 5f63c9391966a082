import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { afterAll, expect, test } from "vitest";
import { spawn } from "tokiwa";
import { UnixListener, UnixStream } from "tokiwa/net";
import { bytes, errorOf, text } from "./support/net.ts";

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
