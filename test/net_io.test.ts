import { createServer } from "node:http";
import { describe, expect, test } from "vitest";
import { type Future, future, lazy, PENDING, Runtime, select, sleep, spawn, TokiwaError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import {
  BufReader, BufWriter, copy, copyBidirectional, duplex, FramedReader, FramedWriter, lengthDelimited, linesCodec, type Reader, type TcpStream, WebReader, webReadable, webWritable, WebWriter, type Writer,
} from "tokiwa/net";
import { bytes, errorOf, tcpPair, text, eventually } from "./support/net.ts";

const ready = <T,>(value: T): Future<T> => future(() => value);

/** A reader over given pieces; one `null` makes it pending for a turn. */
function readerOf(...pieces: (string | Uint8Array | null)[]): Reader {
  const [here, there] = duplex(1 << 20);
  spawn(async () => {
    for (const piece of pieces) {
      if (piece === null) await sleep(1);
      else await here.writeAll(typeof piece === "string" ? bytes(piece) : piece);
    }
    await here.shutdown();
  });
  return there;
}

describe("duplex()", () => {
  test("bytes cross in both directions", async () => {
    const [a, b] = duplex(32);
    await a.writeAll(bytes("ping"));
    const into = new Uint8Array(4);
    await b.readExact(into);
    expect(text(into)).toBe("ping");
    await b.writeAll(bytes("pong"));
    await a.readExact(into);
    expect(text(into)).toBe("pong");
  });

  test("a write waits when the capacity is used up, and goes on in order when there is room", async () => {
    const [a, b] = duplex(4);
    expect(await a.write(bytes("abcdef"))).toBe(4);
    const write = task(a.write(bytes("ef")));
    expect(write.poll()).toBe(PENDING);
    const into = new Uint8Array(3);
    expect(await b.read(into)).toBe(3);
    expect(write.isWoken).toBe(true);
    expect(write.poll()).toBe(2);
    await a.shutdown();
    expect(text(await b.readToEnd())).toBe("def");
  });

  test("closing one end: the other reads what is left, then the end, and cannot write", async () => {
    const [a, b] = duplex(8);
    await a.writeAll(bytes("left"));
    a.close();
    expect((await errorOf(b.write(bytes("x")))).code).toBe("TOKIWA_CLOSED");
    expect(text(await b.readToEnd())).toBe("left");
    expect((await errorOf(a.read(new Uint8Array(1)))).code).toBe("TOKIWA_CLOSED");
  });

  test("a write that waits fails when the reader is closed", async () => {
    const [a, b] = duplex(1);
    const pending = errorOf(a.writeAll(bytes("abc")));
    await sleep(1);
    b.close();
    expect((await pending).code).toBe("TOKIWA_CLOSED");
  });

  test("a dropped readExact gives back what it has taken", async () => {
    const [a, b] = duplex(4);
    const exact = task(b.readExact(new Uint8Array(6)));
    await a.writeAll(bytes("abcd"));
    expect(exact.poll()).toBe(PENDING);
    await a.writeAll(bytes("e"));
    expect(exact.poll()).toBe(PENDING);
    exact.drop();
    await a.shutdown();
    expect(text(await b.readToEnd())).toBe("abcde");
  });

  test("many bytes through a small pipe arrive as they were sent, whatever the sizes", async () => {
    const [a, b] = duplex(7);
    const sent = new Uint8Array(5000).map((_, i) => i * 31);
    spawn(function* () {
      for (let at = 0, n = 1; at < sent.length; at += n, n = (n * 5) % 23) yield* a.writeAll(sent.subarray(at, at + n));
      yield* a.shutdown();
    });
    expect(Buffer.compare(await spawn(b.readToEnd()), sent)).toBe(0);
  });

  test("nothing to write is written at once to a full pipe, and fails when the other end is closed", async () => {
    const [a, b] = duplex(1);
    await a.writeAll(bytes("x"));
    expect(task(a.write(bytes(""))).poll()).toBe(0);
    b.close();
    expect((await errorOf(a.write(bytes("")))).code).toBe("TOKIWA_CLOSED");
  });

  test("a loop over a pipe that is always ready lets other tasks run", async () => {
    const [a, b] = duplex(8192);
    const loop = lazy(function* () {
      const buffer = new Uint8Array(4096);
      for (;;) {
        yield* a.writeAll(buffer);
        yield* b.read(buffer);
      }
    });
    const { name } = await spawn(select({ loop, other: yieldNow() }, { biased: true }));
    expect(name).toBe("other");
  });

  test("two tasks that wait for each other are a deadlock that is named", () => {
    const runtime = new Runtime();
    const [a, b] = duplex(1);
    runtime.spawn(a.read(new Uint8Array(1)));
    expect(() => runtime.blockOn(b.read(new Uint8Array(1)))).toThrow(/nothing is left that could wake[^]*bytes to read[^]*bytes to read/);
    runtime[Symbol.dispose]();
  });

  test.each([0, -1, 1.5, "8"])("a capacity of %s is refused", (capacity) => {
    expect(() => duplex(capacity as number)).toThrow(/capacity must be an integer from 1/);
  });
});

describe("BufReader", () => {
  test("readLine keeps newlines, gives the last line without one, then undefined", async () => {
    const reader = new BufReader(readerOf("one\ntwo\r\n", null, "\n", "th", null, "ree"), 4);
    const lines: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) lines.push(await reader.readLine());
    expect(lines).toEqual(["one\n", "two\r\n", "\n", "three", undefined, undefined]);
  });

  test("lines() takes \\n and \\r\\n off, and leaves a lone \\r", async () => {
    const lines: string[] = [];
    for await (const line of new BufReader(readerOf("a\r\nb\n\nc\rd\nend")).lines()) lines.push(line);
    expect(lines).toEqual(["a", "b", "", "c\rd", "end"]);
  });

  test("characters cut in two by the buffer arrive whole", async () => {
    const reader = new BufReader(readerOf("grüße 日本\n", "🦊\n"), 1);
    expect(await reader.readLine()).toBe("grüße 日本\n");
    expect(await reader.readLine()).toBe("🦊\n");
  });

  test("invalid UTF-8 rejects naming UTF-8, and the next line can be read", async () => {
    const reader = new BufReader(readerOf(new Uint8Array([0xff, 0xfe, 10]), "fine\n"));
    const error = await errorOf(reader.readLine());
    expect(error).toBeInstanceOf(TokiwaError);
    expect(error.message).toContain("UTF-8");
    expect(await reader.readLine()).toBe("fine\n");
  });

  test("a line beyond the limit is an error that names it, and memory stays small", async () => {
    const reader = new BufReader(readerOf(new Uint8Array(100_000).fill(97), "\nnext\n"));
    const error = await errorOf(reader.readLine({ limit: 1000 }));
    expect(error.code).toBe("TOKIWA_LINE_TOO_LONG");
    expect(error.message).toContain("1000 bytes");
    expect((await reader.readLine({ limit: 200_000 }))?.length).toBe(100_001);
    expect(await reader.readLine()).toBe("next\n");
    expect((await errorOf(() => reader.readLine({ limit: 0 }))).name).toBe("OptionError");
  });

  test("a dropped readLine loses no byte", async () => {
    const [a, b] = duplex(64);
    const reader = new BufReader(b);
    await a.writeAll(bytes("hal"));
    const line = task(reader.readLine());
    expect(line.poll()).toBe(PENDING);
    line.drop();
    await a.writeAll(bytes("f a line\n"));
    expect(await reader.readLine()).toBe("half a line\n");
  });

  test("readUntil, readExact, read and fill share one buffer", async () => {
    const reader = new BufReader(readerOf("key=value;rest of it"), 5);
    expect(text((await reader.readUntil(61)) as Uint8Array)).toBe("key=");
    const into = new Uint8Array(6);
    expect(await reader.readExact(into)).toBe(6);
    expect(text(into)).toBe("value;");
    const seen = await reader.fill();
    expect("rest of it".startsWith(text(seen))).toBe(true);
    reader.consume(2);
    expect(await reader.read(into)).toBeGreaterThan(0);
    expect(into[0]).toBe("s".charCodeAt(0));
    while ((await reader.read(into)) > 0);
    expect(await reader.readUntil(61)).toBe(undefined);
    expect((await reader.fill()).length).toBe(0);
    expect((await errorOf(reader.readExact(into))).code).toBe("TOKIWA_UNEXPECTED_EOF");
  });

  test("what came before an error stays there to be read", async () => {
    let reads = 0;
    const reader = new BufReader({
      read: (into) => (reads++ === 0 ? (into.set(bytes("Hello \xffWor")), ready(bytes("Hello \xffWor").length)) : (Promise.reject(new Error("the world has no end")) as unknown as Future<number>)),
    });
    expect((await errorOf(reader.readUntil(35))).message).toBe("the world has no end");
    const into = new Uint8Array(32);
    expect(text(into.subarray(0, await reader.read(into)))).toBe("Hello \xffWor");
  });

  test("what the inner reader throws comes through, also when it throws at once", async () => {
    const failing: Reader = {
      read() {
        throw new Error("broken");
      },
    };
    expect((await errorOf(new BufReader(failing).readLine())).message).toBe("broken");
    expect(() => new BufReader({} as Reader)).toThrow(/reader must have a read\(\) method/);
  });

  test("two operations at once: the second fails with TOKIWA_BUSY", async () => {
    const [a, b] = duplex(8);
    const reader = new BufReader(b);
    const first = task(reader.readLine());
    first.poll();
    expect((await errorOf(reader.fill())).code).toBe("TOKIWA_BUSY");
    await a.writeAll(bytes("x\n"));
    expect(first.poll()).toBe("x\n");
  });
});

/** A writer that remembers each write, and takes at most `most` bytes of it. */
function recorder(most = Infinity): Writer & { readonly writes: string[]; flushes: number; isShut: boolean } {
  const writes: string[] = [];
  return {
    writes,
    flushes: 0,
    isShut: false,
    write(data: Uint8Array) {
      const count = Math.min(most, data.length);
      writes.push(text(data.subarray(0, count)));
      return ready(count);
    },
    flush() {
      this.flushes++;
      return ready(undefined as void);
    },
    shutdown() {
      this.isShut = true;
      return ready(undefined as void);
    },
  };
}

describe("BufWriter", () => {
  test("small writes are collected, large ones go through in order", async () => {
    const target = recorder();
    const writer = new BufWriter(target, 8);
    await writer.writeAll(bytes("ab"));
    await writer.writeAll(bytes("cd"));
    expect(target.writes).toEqual([]);
    await writer.writeAll(bytes("0123456789"));
    expect(target.writes).toEqual(["abcd", "0123456789"]);
    await writer.writeAll(bytes("e"));
    await writer.flush();
    expect(target.writes.at(-1)).toBe("e");
    expect(target.flushes).toBe(1);
  });

  test("a writer that takes little at a time gets all in the end", async () => {
    const target = recorder(3);
    const writer = new BufWriter(target, 8);
    await writer.writeAll(bytes("hello, world! and more"));
    await writer.shutdown();
    expect(target.writes.join("")).toBe("hello, world! and more");
    expect(target.isShut).toBe(true);
    expect((await errorOf(writer.write(bytes("x")))).code).toBe("TOKIWA_CLOSED");
  });

  test("a writer that takes nothing is an error and not a loop", async () => {
    expect((await errorOf(new BufWriter(recorder(0), 4).writeAll(bytes("hello")))).code).toBe("TOKIWA_WRITE_ZERO");
  });

  test("a dropped flush writes nothing twice", async () => {
    const [a, b] = duplex(2);
    const writer = new BufWriter(a, 16);
    await writer.writeAll(bytes("abcdef"));
    const flush = task(writer.flush());
    expect(flush.poll()).toBe(PENDING);
    flush.drop();
    const all = spawn(b.readToEnd());
    await writer.shutdown();
    expect(text(await all)).toBe("abcdef");
  });
});

describe("copy()", () => {
  test("copies everything, flushes at the end, and says how much", async () => {
    const target = recorder();
    expect(await copy(readerOf("some ", null, "text"), target)).toBe(9);
    expect(target.writes.join("")).toBe("some text");
    expect(target.flushes).toBeGreaterThan(0);
  });

  test("flushes while the reader waits", async () => {
    const [here, there] = duplex(64);
    const target = recorder();
    const copying = spawn(copy(there, target));
    await here.writeAll(bytes("ping"));
    await eventually(() => target.flushes > 0, "a flush");
    await here.shutdown();
    expect(await copying).toBe(4);
  });

  test("through a small pipe it waits for room", async () => {
    const [a, b] = duplex(3);
    const reading = spawn(b.readToEnd());
    expect(await copy(readerOf("x".repeat(1000)), a)).toBe(1000);
    a.close();
    expect((await reading).length).toBe(1000);
  });

  test("a reader that fails ends it with its error", async () => {
    const broken: Reader = { read: () => Promise.reject(new Error("no more")) as unknown as Future<number> };
    expect((await errorOf(copy(broken, recorder()))).message).toBe("no more");
  });

  test("copyBidirectional() passes the end of each side on, and counts both ways", async () => {
    const [client, proxyIn] = duplex(16);
    const [proxyOut, server] = duplex(16);
    const copying = spawn(copyBidirectional(proxyIn, proxyOut));
    const serving = spawn(async () => {
      const all = await server.readToEnd();
      await server.writeAll(bytes(`${text(all)}!!`));
      await server.shutdown();
    });
    await client.writeAll(bytes("hello"));
    await client.shutdown();
    expect(text(await client.readToEnd())).toBe("hello!!");
    await serving;
    expect(await copying).toEqual([5, 7]);
  });

  test("copy() of a reader that never waits lets other tasks run", async () => {
    const endless: Reader = { read: (into) => ready(into.length) };
    const { name } = await spawn(select({ copy: copy(endless, recorder()), other: yieldNow() }, { biased: true }));
    expect(name).toBe("other");
  });

  describe.each(["there", "back"])("copyBidirectional(), %s", (direction) => {
    /** Two ends with a copy between them, its arguments in either order. */
    async function joined(): Promise<[a: TcpStream, b: TcpStream, counts: PromiseLike<[number, number]>]> {
      const [a, a1] = await tcpPair();
      const [b, b1] = await tcpPair();
      const isThere = direction === "there";
      const copying = spawn(isThere ? copyBidirectional(a1, b1) : copyBidirectional(b1, a1));
      const counts = copying.then(([first, second]): [number, number] => {
        a1.close();
        b1.close();
        return isThere ? [first, second] : [second, first];
      });
      return [a, b, counts];
    }

    test("one way goes on after the other has ended", async () => {
      const [a, b, counts] = await joined();
      await a.shutdown();
      expect(await b.read(new Uint8Array(1))).toBe(0);
      await b.writeAll(bytes("quux"));
      const into = new Uint8Array(4);
      await a.readExact(into);
      expect(text(into)).toBe("quux");
      b.close();
      expect(await counts).toEqual([0, 4]);
      a.close();
    });

    test("a side that does not read does not hold up the other way", async () => {
      const [a, b, counts] = await joined();
      let sent = 0;
      for (;;) {
        const { name, value } = await select({ wrote: a.write(new Uint8Array(65_536)), stuck: sleep(30) }, { biased: true });
        if (name === "stuck") break;
        sent += value as number;
      }
      await b.writeAll(bytes("quux"));
      const into = new Uint8Array(4);
      await a.readExact(into);
      expect(text(into)).toBe("quux");
      const ending = spawn(a.shutdown());                  // after what was written, so b has to read meanwhile
      expect((await b.readToEnd()).length).toBe(sent);
      await ending;
      b.close();
      expect(await counts).toEqual([sent, 4]);
      a.close();
    });

    test("an error on either side, reading or writing, ends it at once", async () => {
      const [mute] = duplex(8);
      const failing = (what: "read" | "write"): Reader & Writer => ({
        read: (into) => (what === "read" ? (Promise.reject(new Error("got nothing")) as unknown as Future<number>) : (into.set([1]), ready(1))),
        write: () => Promise.reject(new Error("no thanks")) as unknown as Future<number>,
      });
      for (const what of ["read", "write"] as const) {
        const pair = what === "read" ? [failing("read"), mute] : [failing("write"), failing("write")];
        if (direction === "back") pair.reverse();
        expect((await errorOf(copyBidirectional(pair[0]!, pair[1]!))).message).toMatch(/got nothing|no thanks/);
      }
    });
  });
});

describe("codecs", () => {
  test("lines there and back", async () => {
    const [a, b] = duplex(8);
    spawn(async () => {
      const writer = new FramedWriter(a, linesCodec());
      for (const line of ["one", "", "drei ü"]) await writer.send(line);
      await writer.shutdown();
    });
    const lines: string[] = [];
    for await (const line of new FramedReader(b, linesCodec())) lines.push(line);
    expect(lines).toEqual(["one", "", "drei ü"]);
  });

  test.each([1, 2, 4] as const)("frames after a length of %i bytes, in both byte orders", async (lengthBytes) => {
    for (const littleEndian of [false, true]) {
      const [a, b] = duplex(16);
      const codec = lengthDelimited({ lengthBytes, littleEndian });
      const frames = [bytes("a"), new Uint8Array(0), new Uint8Array(200).fill(3)];
      spawn(async () => {
        const writer = new FramedWriter(a, codec);
        for (const frame of frames) await writer.feed(frame);
        await writer.shutdown();
      });
      const reader = new FramedReader(b, codec);
      for (const frame of frames) expect(Buffer.compare((await reader.next()) as Uint8Array, frame)).toBe(0);
      expect(await reader.next()).toBe(undefined);
    }
  });

  test("frames beyond the limit are refused both ways, before they are buffered", async () => {
    const codec = lengthDelimited({ maxFrame: 10 });
    expect((await errorOf(new FramedReader(readerOf(new Uint8Array([0x7f, 255, 255, 255])), codec).next())).code).toBe("TOKIWA_FRAME_TOO_LONG");
    expect((await errorOf(() => codec.encode(new Uint8Array(11)))).code).toBe("TOKIWA_FRAME_TOO_LONG");
    expect((await errorOf(new FramedReader(readerOf("x".repeat(50)), linesCodec({ maxFrame: 10 })).next())).code).toBe("TOKIWA_FRAME_TOO_LONG");
    expect((await errorOf(() => linesCodec().encode("a\nb"))).name).toBe("OptionError");
  });

  test("a stream that ends inside a frame is an error", async () => {
    const reader = new FramedReader(readerOf(new Uint8Array([0, 0, 0, 9, 1])), lengthDelimited());
    expect((await errorOf(reader.next())).code).toBe("TOKIWA_UNEXPECTED_EOF");
  });

  test("a dropped next() loses no byte", async () => {
    const [a, b] = duplex(64);
    const reader = new FramedReader(b, linesCodec());
    const lines: string[] = [];
    const writer = spawn(async () => {
      for (let i = 0; i < 50; i++) {
        await a.writeAll(bytes(`li`));
        await sleep(0);
        await a.writeAll(bytes(`ne ${i}\n`));
      }
      a.close();
    });
    for (;;) {
      const { name, value } = await select({ line: reader.next(), tick: sleep(0) });
      if (name === "tick") continue;
      if (value === undefined) break;
      lines.push(value as string);
    }
    await writer;
    expect(lines).toEqual(Array.from({ length: 50 }, (_, i) => `line ${i}`));
  });
});

describe("web streams", () => {
  test("bodies of fetch are streams both ways: up from a pipe, down into a reader, neither of them whole in memory", async () => {
    const server = createServer((request, response) => {
      request.on("data", (data: Buffer) => {
        if (!response.write(data)) {
          request.pause();
          response.once("drain", () => request.resume());
        }
      });
      request.on("end", () => response.end());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const [here, there] = duplex(4096);
    const total = 2 << 20;
    const sending = spawn(function* () {
      const piece = new Uint8Array(10_000).fill(65);
      for (let left = total; left > 0; left -= piece.length) yield* here.writeAll(piece.subarray(0, Math.min(left, piece.length)));
      yield* here.shutdown();
    });
    const options = { method: "POST", body: webReadable(there), duplex: "half" } as RequestInit;
    const response = await fetch(`http://127.0.0.1:${port}/`, options);
    const reader = new BufReader(new WebReader(response.body!));
    const into = new Uint8Array(30_000);
    let got = 0;
    let wrong = 0;
    for (let n: number; (n = await reader.read(into)) > 0; got += n) for (let i = 0; i < n; i++) if (into[i] !== 65) wrong++;
    await sending;
    expect([got, wrong]).toEqual([total, 0]);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("a web stream as a reader", async () => {
    const stream = new Response("line one\nline two\n").body as ReadableStream<Uint8Array>;
    const lines: string[] = [];
    for await (const line of new BufReader(new WebReader(stream)).lines()) lines.push(line);
    expect(lines).toEqual(["line one", "line two"]);
  });

  test("a reader as a web stream, pulled only when asked", async () => {
    expect(await new Response(webReadable(readerOf("some ", null, "text")) as never).text()).toBe("some text");
  });

  test("writers both ways", async () => {
    const target = recorder();
    const writer = new WebWriter(webWritable(target));
    await writer.write(bytes("one "));
    await writer.write(bytes("two"));
    await writer.flush();
    await writer.shutdown();
    expect(target.writes.join("")).toBe("one two");
    expect(target.isShut).toBe(true);
  });
});

// Tokio's io_buf_reader, io_buf_writer, io_copy, io_copy_bidirectional, io_lines, io_mem_stream, io_read, io_read_exact,
// io_read_line, io_read_to_end, io_read_until, io_split, io_write, io_write_all, io_fill_buf and buffered are here.
//
// Without a meaning: seek (streams have none), the buffers of io_read_buf and their panics (a Uint8Array is filled from
// its start), vectored writes by a reader's own IoSlice (writeAll takes a list), io_read_to_string (a TextDecoder on
// readToEnd()), unsplit (the halves do not own the stream), is_send_and_sync, and io_chain, io_take, io_join,
// io_repeat, io_sink, io_util_empty, io_write_int, io_async_read: adaptors that are not offered.
