// Faults made on purpose, for each way a stream can come to be: the peer is a bare socket of the host.
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { sleep, spawn } from "tokiwa";
import { bytes, descriptors, errorOf, eventually, ORIGINS, text, withBarePeer } from "./support/net.ts";

describe.each(ORIGINS)("a stream that was %s", { timeout: 60_000 }, (origin) => {
  test("a reset in mid-read arrives as ECONNRESET, for reads and writes", async () => {
    const [stream, peer] = await withBarePeer(origin);
    const into = new Uint8Array(100);
    const read = errorOf(stream.readExact(into));
    peer.write("some");
    await eventually(() => into[3] !== 0, "the bytes to be read");   // the host takes a reset that comes with them for an end
    peer.resetAndDestroy();
    expect((await read).code).toBe("ECONNRESET");
    expect((await errorOf(stream.read(new Uint8Array(1)))).code).toBe("ECONNRESET");
    expect((await errorOf(stream.write(bytes("x")))).code).toBe("ECONNRESET");
    await stream.shutdown();                               // there is nothing left to end
    stream.close();
  });

  test("setLinger(0) makes close() a reset", async () => {
    const [stream, peer] = await withBarePeer(origin);
    const reset = new Promise<string | undefined>((resolve) => peer.on("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
    peer.resume();
    stream.setLinger(0);
    stream.close();
    expect(await reset).toBe("ECONNRESET");
  });

  test("setLinger(ms) gives a peer that does not read so long, then lets go", async () => {
    const before = descriptors();
    const [stream, peer] = await withBarePeer(origin);
    peer.pause();
    const writing = errorOf(stream.writeAll(new Uint8Array(32 << 20)));
    await sleep(10);
    stream.setLinger(50);
    stream.close();
    expect((await writing).code).toBe("TOKIWA_CLOSED");
    await eventually(() => descriptors() <= before + 1, "our end to be closed although the peer reads nothing");
    peer.destroy();
    await eventually(() => descriptors() <= before, "both ends to be closed");
  });

  test("a peer that ended its side still gets what is written (half-open)", async () => {
    const [stream, peer] = await withBarePeer(origin);
    peer.end();
    expect(await stream.read(new Uint8Array(1))).toBe(0);
    const got: Buffer[] = [];
    peer.on("data", (data: Buffer) => got.push(data));
    await stream.writeAll(bytes("still here"));
    await eventually(() => Buffer.concat(got).toString() === "still here", "the bytes to arrive");
    stream.close();
    peer.destroy();
  });

  test("a reset that follows the end leaves the end to the reader and fails the writer", async () => {
    const [stream, peer] = await withBarePeer(origin);
    peer.end("bye");
    expect(text(await stream.readToEnd())).toBe("bye");
    peer.resetAndDestroy();
    await errorOf(async () => {
      for (;;) {
        await stream.write(bytes("x"));
        await sleep(1);
      }
    });
    expect(await stream.read(new Uint8Array(1))).toBe(0);
    stream.close();
  });

  test("writing to a peer that is gone fails with the host's code", async () => {
    const [stream, peer] = await withBarePeer(origin);
    peer.destroy();
    const error = await errorOf(async () => {
      for (let i = 0; i < 1000; i++) {
        await stream.writeAll(new Uint8Array(65_536));
        await sleep(1);
      }
    });
    expect(error.code).toMatch(/EPIPE|ECONNRESET/);
    stream.close();
  });

  test("the stream ending before readExact is filled says how much came", async () => {
    const [stream, peer] = await withBarePeer(origin);
    peer.end("abc");
    const error = await errorOf(stream.readExact(new Uint8Array(10)));
    expect(error.code).toBe("TOKIWA_UNEXPECTED_EOF");
    expect(error.message).toContain("3 of 10 bytes");
    stream.close();
    peer.destroy();
  });


  test("what was written goes out after close(), however long the peer takes", async () => {
    const [stream, peer] = await withBarePeer(origin);
    peer.pause();
    const size = 16 << 20;
    const writing = errorOf(stream.writeAll(new Uint8Array(size).fill(7)));
    await sleep(10);
    stream.close();
    expect((await writing).code).toBe("TOKIWA_CLOSED");
    let got = 0;
    let ended = false;
    peer.on("data", (data: Buffer) => (got += data.length)).on("end", () => (ended = true)).resume();
    await eventually(() => ended, "the end to arrive");
    expect(got).toBe(size);
    peer.destroy();
  });

  test("a peer that sends while we close sees our end, and not a reset in its place", async () => {
    const [stream, peer] = await withBarePeer(origin);
    const seen: string[] = [];
    peer.on("data", (data: Buffer) => seen.push(data.toString())).on("end", () => seen.push("end"));
    await new Promise<void>((resolve) => peer.write("never read", () => resolve()));
    await sleep(5);
    await stream.writeAll(bytes("bye"));
    stream.close();
    await eventually(() => seen.includes("end"), "the end to arrive");
    expect(seen.join()).toBe("bye,end");
    peer.destroy();
  });

  test("a peer that floods is stopped while nobody reads, and goes on when somebody does", async () => {
    const [stream, peer] = await withBarePeer(origin);
    const size = 24 << 20;
    const sent = Buffer.alloc(size);
    for (let i = 0; i < size; i += 4) sent.writeUInt32LE(i, i);
    peer.end(sent);
    await sleep(100);
    expect(peer.writableLength).toBeGreaterThan(0);        // the kernel's buffers are full, and ours
    let at = 0;
    let wrong = 0;
    const buffer = new Uint8Array(100_003);
    for (let n: number; (n = await stream.read(buffer)) > 0; at += n) if (Buffer.compare(buffer.subarray(0, n), sent.subarray(at, at + n)) !== 0) wrong++;
    expect([at, wrong]).toEqual([size, 0]);
    stream.close();
  });

  test("a reader that is slower than its peer loses nothing, read by read and peek by peek", async () => {
    const [stream, peer] = await withBarePeer(origin);
    const size = 1 << 20;
    const sent = Buffer.alloc(size, "0123456789");
    peer.end(sent);
    const got: Uint8Array[] = [];
    for (let round = 0; ; round++) {
      const buffer = new Uint8Array(1 + ((round * 7919) % 50_000));
      const seen = round % 3 === 0 ? await stream.peek(buffer) : 0;
      const before = buffer.slice(0, seen);
      if (round % 5 === 0) await sleep(0);
      const n = await stream.read(buffer);
      if (n === 0) break;
      expect(Buffer.compare(before.subarray(0, Math.min(seen, n)), buffer.subarray(0, Math.min(seen, n)))).toBe(0);
      got.push(buffer.slice(0, n));
    }
    expect(Buffer.compare(Buffer.concat(got), sent)).toBe(0);
    stream.close();
  });

  test("pieces go out in order, empty ones too, also when the kernel takes only some", async () => {
    const [stream, peer] = await withBarePeer(origin);
    const pieces = Array.from({ length: 3000 }, (_, i) => new Uint8Array(i % 7 === 0 ? 0 : 1 + ((i * 37) % 4000)).fill(i));
    const expected = Buffer.concat(pieces);
    peer.pause();
    const writing = spawn(async () => {
      await stream.writeAll([]);
      await stream.writeAll([new Uint8Array(0)]);
      await stream.writeAll(pieces);
      await stream.flush();
      await stream.shutdown();
    });
    await sleep(20);
    const got: Buffer[] = [];
    peer.on("data", (data: Buffer) => got.push(data)).resume();
    await writing;
    await eventually(() => peer.readableEnded, "the end");
    expect(Buffer.compare(Buffer.concat(got), expected)).toBe(0);
    stream.close();
    peer.destroy();
  });

  test("a reset while a write waits fails the write, and one while shutdown waits fails that", async () => {
    for (const wait of ["write", "shutdown"]) {
      const [stream, peer] = await withBarePeer(origin);
      peer.pause();
      const writing = errorOf(stream.writeAll(new Uint8Array(32 << 20)));
      await sleep(10);
      const failing = wait === "write" ? writing : errorOf(stream.shutdown());
      if (wait === "shutdown") expect((await failing).code).toBe("TOKIWA_BUSY");
      peer.resetAndDestroy();
      expect((await writing).code).toMatch(/ECONNRESET|EPIPE/);
      stream.close();
    }
  });

  test("toNode() hands over what was not read, and the end", async () => {
    const before = descriptors();
    const [stream, peer] = await withBarePeer(origin);
    peer.end("unread");
    await sleep(20);
    const socket = stream.toNode<Socket>();
    expect((await errorOf(stream.read(new Uint8Array(1)))).code).toBe("TOKIWA_CLOSED");
    const got: Buffer[] = [];
    peer.on("data", (data: Buffer) => got.push(data));
    const read: Buffer[] = [];
    socket.on("data", (data: Buffer) => read.push(data));
    await new Promise((resolve) => socket.on("end", resolve));
    expect(Buffer.concat(read).toString()).toBe("unread");
    socket.end("answer");
    await eventually(() => Buffer.concat(got).toString() === "answer", "the answer");
    await eventually(() => descriptors() <= before, "both ends to be closed");
  });

  test("toNode() of a stream that a flood has stopped goes on with backpressure", async () => {
    const [stream, peer] = await withBarePeer(origin);
    const size = 8 << 20;
    peer.end(Buffer.alloc(size, 1));
    await sleep(50);
    const socket = stream.toNode<Socket>();
    await sleep(50);
    expect(socket.readableLength).toBeLessThan(1 << 20);
    let got = 0;
    for await (const chunk of socket) got += (chunk as Buffer).length;
    expect(got).toBe(size);
    socket.destroy();
  });

  test("after its end in both directions it holds no descriptor, also without close()", async () => {
    const before = descriptors();
    const [stream, peer] = await withBarePeer(origin);
    peer.end();
    expect(await stream.read(new Uint8Array(1))).toBe(0);
    await stream.shutdown();
    await eventually(() => descriptors() <= before, "the socket to be closed");
    expect(await stream.read(new Uint8Array(1))).toBe(0);
    expect((await errorOf(stream.write(bytes("x")))).code).toBe("TOKIWA_CLOSED");
    await stream.shutdown();
    stream.close();
  });

  test("options and addresses are answered after the end, too", async () => {
    const [stream, peer] = await withBarePeer(origin);
    stream.setNoDelay(true);
    stream.setKeepAlive(true, 30_000);
    expect(stream.peerAddr.port).toBe(peer.localPort);
    expect(stream.localAddr.port).toBeGreaterThan(0);
    stream.setLinger(0);
    stream.close();
    stream.setNoDelay(false);
    stream.setKeepAlive(false);
    expect(stream.peerAddr).toEqual({ host: "", port: 0 });
    expect(stream.localAddr).toEqual({ host: "", port: 0 });
    peer.destroy();
  });
});
