import { createConnection, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, test } from "vitest";
import { byRef, join, run, Runtime, select, sleep, spawn, timeout, yieldNow, type Future } from "tokiwa";
import { task } from "tokiwa/testing";
import { PENDING } from "tokiwa";
import { TcpListener, TcpStream } from "tokiwa/net";
import { bytes, descriptors, errorOf, eventually, LOOPBACK, tcpPair, text } from "./support/net.ts";

describe("connecting and accepting", () => {
  test("both ends know both addresses", async () => {
    const [client, server] = await tcpPair();
    expect(client.peerAddr).toEqual(server.localAddr);
    expect(server.peerAddr).toEqual(client.localAddr);
    expect(client.localAddr.host).toBe(LOOPBACK);
    client.close();
    server.close();
  });

  test("connections made before accept() are all there, in order", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const clients: TcpStream[] = [];
    for (let i = 0; i < 5; i++) clients.push(await TcpStream.connect(listener.localAddr));
    for (const client of clients) {
      const stream = await listener.accept();
      expect(stream.peerAddr).toEqual(client.localAddr);
      stream.close();
      client.close();
    }
    listener.close();
  });

  test("a dropped accept loses no connection", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const accept = task(listener.accept());
    expect(accept.poll()).toBe(PENDING);
    const client = await TcpStream.connect(listener.localAddr);
    await eventually(() => accept.isWoken, "a wake of the accept");
    accept.drop();
    const stream = await listener.accept();
    expect(stream.peerAddr).toEqual(client.localAddr);
    stream.close();
    client.close();
    listener.close();
  });

  const loopbacks = Object.values(networkInterfaces()).flatMap((list) => list ?? []).filter(({ internal }) => internal);
  const hosts = ["127.0.0.1", "localhost", ...(loopbacks.some(({ address }) => address === "::1") ? ["::1"] : [])];
  test.each(hosts)("%s can be listened on and connected to, and both ends agree on their addresses", async (host) => {
    const listener = await TcpListener.bind({ host, port: 0 });
    const accepted = spawn(listener.accept());
    const client = await TcpStream.connect({ host, port: listener.localAddr.port });
    const server = await accepted;
    expect(client.localAddr).toEqual(server.peerAddr);
    expect(client.peerAddr).toEqual(server.localAddr);
    client.close();
    server.close();
    listener.close();
  });

  test("a pending accept is woken once for a connection, and not again when there is no other", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const first = task(listener.accept());
    expect(first.poll()).toBe(PENDING);
    await sleep(5);
    expect(first.isWoken).toBe(false);
    const client = await TcpStream.connect(listener.localAddr);
    await eventually(() => first.isWoken, "the accept to be woken");
    const server = first.poll() as TcpStream;
    const second = task(listener.accept());
    expect(second.poll()).toBe(PENDING);
    await sleep(5);
    expect(second.isWoken).toBe(false);
    second.drop();
    client.close();
    server.close();
    listener.close();
  });

  test("many tasks may wait for one listener: each connection goes to one of them, dropped ones lose none", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const got = [0, 0, 0, 0, 0];
    const waiters = got.map((_, i) =>
      spawn(function* () {
        for (;;) {
          const stream = yield* listener.accept();
          got[i]!++;
          stream.close();
          yield* sleep(1);
        }
      }),
    );
    const dropped = task(listener.accept());
    expect(dropped.poll()).toBe(PENDING);
    await yieldNow();
    const clients: TcpStream[] = [];
    for (let i = 0; i < 20; i++) {
      clients.push(await TcpStream.connect(listener.localAddr));
      if (i === 0) dropped.drop();
    }
    await eventually(() => got.reduce((a, b) => a + b) === 20, "every connection to be accepted once");
    expect(got.every((count) => count > 0)).toBe(true);
    for (const waiter of waiters) waiter.abort();
    for (const client of clients) client.close();
    listener.close();
  });

  test("for await ends when the listener is closed, and a pending accept fails with TOKIWA_CLOSED", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    let served = 0;
    const loop = spawn(async () => {
      for await (const stream of listener) {
        served++;
        stream.close();
      }
      return "ended";
    });
    const client = await TcpStream.connect(listener.localAddr);
    expect((await client.readToEnd()).length).toBe(0);
    client.close();
    listener.close();
    expect(await loop).toBe("ended");
    expect(served).toBe(1);
    expect((await errorOf(listener.accept())).code).toBe("TOKIWA_CLOSED");
    listener.close();
  });

  test("the host's errors keep their codes", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    expect((await errorOf(TcpListener.bind(listener.localAddr))).code).toBe("EADDRINUSE");
    listener.close();
    await eventually(() => true, "");
    expect((await errorOf(TcpStream.connect(listener.localAddr))).code).toBe("ECONNREFUSED");
    expect((await errorOf(TcpStream.connect({ host: "does-not-exist.invalid", port: 1 }))).code).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect((await errorOf(TcpListener.bind({ host: "192.0.2.1", port: 0 }))).code).toBe("EADDRNOTAVAIL");
  });

  test("a dropped connect closes its socket", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const before = descriptors();
    const connect = task(TcpStream.connect(listener.localAddr));
    expect(connect.poll()).toBe(PENDING);
    connect.drop();
    await eventually(() => descriptors() <= before, "the socket to be closed");
    listener.close();
  });

  test("a task can be aborted in connect, accept, read, readExact, readToEnd, peek and write, and leaves nothing open", async () => {
    const before = descriptors();
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const [a, b] = await tcpPair();
    const into = new Uint8Array(8);
    const large = new Uint8Array(64 << 20);
    const waits: Record<string, () => Future<unknown>> = {
      accept: () => listener.accept(),
      read: () => a.read(into),
      readExact: () => a.readExact(into),
      readToEnd: () => a.readToEnd(),
      peek: () => a.peek(into),
      writeAll: () => b.writeAll(large),
      flush: () => b.flush(),
    };
    for (const [name, wait] of Object.entries(waits)) {
      for (const kind of ["generator", "async"]) {
        if (name === "writeAll" && kind === "async") continue;          // the first one filled the pipe
        const handle =
          kind === "generator"
            ? spawn(function* () {
                yield* wait();
              })
            : spawn(async () => {
                await wait();
              });
        await sleep(5);
        handle.abort();
        expect((await handle.result()).status, `${name} in a task of kind ${kind}`).toBe("cancelled");
      }
    }
    const connecting = spawn(TcpStream.connect(listener.localAddr));
    connecting.abort();
    await connecting.result();
    b.setLinger(0);
    a.setLinger(0);
    a.close();
    b.close();
    listener.close();
    await eventually(() => descriptors() <= before, "every socket to be closed");
  });
});

describe("reading and writing", () => {
  test("an echo over generator tasks and over async functions", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const server = spawn(function* () {
      const stream = yield* listener.accept();
      const buffer = new Uint8Array(1000);
      for (let n: number; (n = yield* stream.read(buffer)) > 0; ) yield* stream.writeAll(buffer.subarray(0, n));
      yield* stream.shutdown();
      stream.close();
    });
    const client = await TcpStream.connect(listener.localAddr, { noDelay: true });
    const sent = new Uint8Array(300_000).map((_, i) => i * 7);
    const [, received] = await join(
      spawn(async () => {
        await client.writeAll(sent);
        await client.shutdown();
      }),
      client.readToEnd(),
    );
    expect(Buffer.compare(received, sent)).toBe(0);
    await server;
    client.close();
    listener.close();
  });

  test("a read takes at most what fits, the rest stays", async () => {
    const [client, server] = await tcpPair();
    await client.writeAll(bytes("hello world"));
    const into = new Uint8Array(5);
    expect(await server.read(into)).toBe(5);
    expect(text(into)).toBe("hello");
    expect(await server.readExact(into)).toBe(5);
    expect(text(into)).toBe(" worl");
    expect(await server.read(into)).toBe(1);
    client.close();
    expect(await server.read(into)).toBe(0);
    expect(await server.read(into)).toBe(0);
    server.close();
  });

  test("peek leaves the bytes", async () => {
    const [client, server] = await tcpPair();
    await client.writeAll(bytes("abc"));
    const into = new Uint8Array(2);
    expect(await server.peek(into)).toBe(2);
    expect(await server.peek(into)).toBe(2);
    expect(text(into)).toBe("ab");
    const all = new Uint8Array(3);
    await server.readExact(all);
    expect(text(all)).toBe("abc");
    client.close();
    server.close();
  });

  test("a dropped read loses no byte, whether they came before or after the drop", async () => {
    const [client, server] = await tcpPair();
    const into = new Uint8Array(100);
    const read = task(server.read(into));
    expect(read.poll()).toBe(PENDING);
    await client.writeAll(bytes("one"));
    await eventually(() => read.isWoken, "a wake of the read");
    read.drop();
    const exact = task(server.readExact(new Uint8Array(10)));
    expect(exact.poll()).toBe(PENDING);
    exact.drop();
    const end = task(server.readToEnd());
    expect(end.poll()).toBe(PENDING);
    await client.writeAll(bytes("two"));
    await eventually(() => end.isWoken, "a wake of readToEnd");
    end.poll();
    end.drop();
    expect(await server.readExact(into.subarray(0, 6))).toBe(6);
    expect(text(into.subarray(0, 6))).toBe("onetwo");
    client.close();
    server.close();
  });

  test("select over a read and a sleep loses nothing over many rounds", async () => {
    const [client, server] = await tcpPair();
    const sent = new Uint8Array(20_000).map((_, i) => i);
    const writer = spawn(async () => {
      for (let at = 0; at < sent.length; at += 100) {
        await client.writeAll(sent.subarray(at, at + 100));
        await yieldNow();
      }
      client.close();
    });
    const got: number[] = [];
    const into = new Uint8Array(64);
    for (;;) {
      const { name, value } = await select({ read: server.read(into), tick: sleep(0) });
      if (name === "tick") continue;
      if (value === 0) break;
      got.push(...into.subarray(0, value as number));
    }
    await writer;
    expect(Buffer.compare(Buffer.from(got), sent)).toBe(0);
    server.close();
  });

  test("several pieces go out in one write, and a write takes at most 64 KiB", async () => {
    const [client, server] = await tcpPair();
    await client.writeAll([bytes("a"), bytes(""), bytes("bc"), bytes("d")]);
    const into = new Uint8Array(4);
    await server.readExact(into);
    expect(text(into)).toBe("abcd");
    const data = new Uint8Array(1_000_000).fill(7);
    const count = await client.write(data);
    expect(count).toBe(65_536);
    data.fill(0);                                                   // taken: the buffer is ours again
    const got = new Uint8Array(count);
    await server.readExact(got);
    expect(got.every((byte) => byte === 7)).toBe(true);
    expect(await client.write(new Uint8Array(0))).toBe(0);
    client.close();
    server.close();
  });

  test("nothing to write is written at once, and fails like anything else once the stream is closed", async () => {
    const [client, server] = await tcpPair();
    const full = task(client.writeAll(new Uint8Array(32 << 20)));
    expect(full.poll()).toBe(PENDING);
    full.drop();                                           // the bytes are on their way all the same
    expect(task(client.write(new Uint8Array(0))).poll()).toBe(0);
    client.close();
    expect((await errorOf(client.write(new Uint8Array(0)))).code).toBe("TOKIWA_CLOSED");
    server.setLinger(0);
    server.close();
  });

  test("the halves work in two tasks, and dropping the writing half sends the end", async () => {
    const [client, server] = await tcpPair();
    const [read, write] = client.split();
    const writer = spawn(async () => {
      for (let i = 0; i < 100; i++) await write.writeAll(bytes(`${i},`));
      write[Symbol.dispose]();
    });
    const echoed = spawn(async () => {
      const all = await server.readToEnd();
      await server.writeAll(all);
      await server.shutdown();
    });
    expect(text(await read.readToEnd())).toBe(Array.from({ length: 100 }, (_, i) => `${i},`).join(""));
    await writer;
    await echoed;
    client.close();
    server.close();
  });

  test("shutdown sends the end, is idempotent, and reading goes on", async () => {
    const [client, server] = await tcpPair();
    await client.writeAll(bytes("request"));
    await client.shutdown();
    await client.shutdown();
    expect(text(await server.readToEnd())).toBe("request");
    await server.writeAll(bytes("answer"));
    server.close();
    expect(text(await client.readToEnd())).toBe("answer");
    const error = await errorOf(client.write(bytes("more")));
    expect(error.code).toBe("TOKIWA_CLOSED");
    expect(error.message).toContain("shut down");
    expect((await errorOf(client.writeAll(bytes("more")))).code).toBe("TOKIWA_CLOSED");
    client.close();
  });

  test("close() sends what was written, then the end; later operations fail with TOKIWA_CLOSED", async () => {
    const [client, server] = await tcpPair();
    const pending = errorOf(client.read(new Uint8Array(1)));
    await client.write(bytes("last words"));
    client.close();
    client.close();
    expect((await pending).code).toBe("TOKIWA_CLOSED");
    expect(text(await server.readToEnd())).toBe("last words");
    expect((await errorOf(client.read(new Uint8Array(1)))).code).toBe("TOKIWA_CLOSED");
    expect((await errorOf(client.write(bytes("x")))).code).toBe("TOKIWA_CLOSED");
    server.close();
  });
});

describe("backpressure", () => {
  test("an unread socket stops its peer, memory stays flat, and nothing is lost", async () => {
    const [client, server] = await tcpPair();
    const piece = new Uint8Array(65_536).fill(1);
    let sent = 0;
    const flood = spawn(async () => {
      for (let i = 0; i < 1600; i++) {
        await client.writeAll(piece);
        sent += piece.length;
      }
      await client.shutdown();
    });
    let still = 0;                                         // looks in a row at which it had sent no more
    let last = -1;
    await eventually(() => {
      still = sent === last && sent > 0 ? still + 1 : 0;
      last = sent;
      return still === 30;
    }, "the sender to be stopped");
    expect(sent).toBeLessThan(60 << 20);
    const before = process.memoryUsage().arrayBuffers;
    const into = new Uint8Array(32_768);
    let received = 0;
    let most = 0;
    for (let n: number; (n = await server.read(into)) > 0; ) {
      received += n;
      if ((received & 0xfffff) < n) {
        await sleep(1);
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
    }
    await flood;
    expect(received).toBe(1600 * 65_536);
    expect(most).toBeLessThan(48 << 20);
    client.close();
    server.close();
  });

  test("write() waits while the peer does not read, and dropping it then has written nothing", async () => {
    const [client, server] = await tcpPair();
    const piece = new Uint8Array(65_536).fill(1);
    let sent = 0;
    for (;;) {
      const write = task(client.write(piece));
      const count = write.poll();
      if (count === PENDING) {
        write.drop();
        break;
      }
      sent += count;
    }
    expect(sent).toBeGreaterThan(0);
    const reading = spawn(server.readToEnd());
    await client.shutdown();
    expect((await reading).length).toBe(sent);
    client.close();
    server.close();
  });
});

describe("faults", () => {
  test("peers that connect and vanish do not end an accept loop", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    let served = 0;
    const loop = spawn(async () => {
      for await (const stream of listener) {
        served++;
        stream.close();
      }
    });
    for (let i = 0; i < 20; i++) {
      const socket = createConnection(listener.localAddr.port, LOOPBACK);
      socket.on("error", () => {});
      socket.on("connect", () => socket.resetAndDestroy());
      await new Promise((resolve) => socket.on("close", resolve));
    }
    const client = await TcpStream.connect(listener.localAddr);
    expect((await client.readToEnd()).length).toBe(0);
    client.close();
    await eventually(() => served >= 1, "a connection to be served");
    listener.close();
    await loop;
  });
});

describe("bad input", () => {
  const cases: [string, (stream: TcpStream) => unknown, RegExp][] = [
    ["a port out of range", () => TcpStream.connect({ host: LOOPBACK, port: 65_536 }), /addr\.port must be an integer from 0 to 65535, got 65536/],
    ["a negative port", () => TcpListener.bind({ port: -1 }), /addr\.port must be an integer from 0 to 65535, got -1/],
    ["a host of the wrong type", () => TcpStream.connect({ host: 7 as unknown as string, port: 1 }), /addr\.host must be a host name or an IP address, got 7/],
    ["no address", () => TcpStream.connect(undefined as unknown as { port: number }), /addr must be an object .* got undefined/],
    ["a backlog of 0", () => TcpListener.bind({ port: 0, backlog: 0 }), /addr\.backlog must be an integer from 1/],
    ["a buffer that is none", (stream) => stream.read([] as unknown as Uint8Array), /into must be a Uint8Array, got an array/],
    ["an empty buffer", (stream) => stream.read(new Uint8Array(0)), /into must have room for at least 1 byte/],
    ["text to write", (stream) => stream.writeAll("text" as unknown as Uint8Array), /bytes must be a Uint8Array, got "text": encode text/],
    ["a linger of -1", (stream) => stream.setLinger(-1), /ms must be a number of milliseconds/],
    ["noDelay of 1", (stream) => stream.setNoDelay(1 as unknown as boolean), /on must be true or false, got 1/],
    ["a socket that is none", () => TcpStream.fromNode({} as never), /socket must be a net\.Socket, got an object/],
  ];
  test.each(cases)("%s", async (_, call, message) => {
    const [client, server] = await tcpPair();
    const error = await errorOf(() => call(client));
    expect(error.name).toBe("OptionError");
    expect(error.message).toMatch(message);
    client.close();
    server.close();
  });

  test("a detached buffer, before the call and during the read", async () => {
    const [client, server] = await tcpPair();
    const into = new Uint8Array(8);
    structuredClone(into.buffer, { transfer: [into.buffer] });
    expect((await errorOf(() => server.read(into))).name).toBe("OptionError");
    const later = new Uint8Array(8);
    const read = errorOf(server.read(later));
    structuredClone(later.buffer, { transfer: [later.buffer] });
    await client.writeAll(bytes("kept"));
    expect((await read).name).toBe("OptionError");
    const good = new Uint8Array(4);
    await server.readExact(good);
    expect(text(good)).toBe("kept");
    client.close();
    server.close();
  });

  test("two reads at once on one half: the second fails with TOKIWA_BUSY, the first goes on", async () => {
    const [client, server] = await tcpPair();
    const into = new Uint8Array(4);
    const first = spawn(server.read(into));
    await sleep(1);
    const [half] = server.split();
    expect((await errorOf(half.read(new Uint8Array(4)))).code).toBe("TOKIWA_BUSY");
    await client.writeAll(bytes("ok"));
    expect(await first).toBe(2);
    client.close();
    server.close();
  });

  test("a read that has completed cannot be awaited again", async () => {
    const [client, server] = await tcpPair();
    await client.writeAll(bytes("ab"));
    const read = server.read(new Uint8Array(1));
    await byRef(read);
    expect((await errorOf(read)).code).toBe("TOKIWA_COMPLETED");
    client.close();
    server.close();
  });
});

describe("with the runtime", () => {
  test("blockOn() of a socket throws WouldBlockError, and the runtime stays usable", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const runtime = new Runtime();
    expect(() => runtime.blockOn(listener.accept())).toThrow(expect.objectContaining({ code: "TOKIWA_WOULD_BLOCK" }));
    expect(runtime.blockOn(function* () {
      return 1;
    })).toBe(1);
    await runtime.shutdown();
    listener.close();
  });

  test("a loop over reads that are ready lets other tasks run", async () => {
    const [client, server] = await tcpPair();
    await client.writeAll(new Uint8Array(1000));
    await sleep(20);
    let others = 0;
    const other = spawn(function* () {
      for (;;) {
        others++;
        yield* yieldNow();
      }
    });
    await spawn(function* () {
      const one = new Uint8Array(1);
      for (let i = 0; i < 1000; i++) yield* server.read(one);
    });
    expect(others).toBeGreaterThanOrEqual(5);
    other.abort();
    client.close();
    server.close();
  });

  test("timeout() over a read", async () => {
    const [client, server] = await tcpPair();
    expect((await errorOf(timeout(5, server.read(new Uint8Array(1))))).code).toBe("TOKIWA_ELAPSED");
    await client.writeAll(bytes("x"));
    expect(await timeout(20_000, server.read(new Uint8Array(1)))).toBe(1);
    client.close();
    server.close();
  });

  test("a runtime that shuts down cancels tasks that wait for sockets", async () => {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const trace: string[] = [];
    await run(function* () {
      spawn(function* () {
        try {
          yield* listener.accept();
        } finally {
          trace.push("cleaned up");
        }
      });
      yield* sleep(5);
    });
    expect(trace).toEqual(["cleaned up"]);
    listener.close();
  });
});

describe("conversions", () => {
  test("toWeb() reads and writes, and closing the writable sends the end", async () => {
    const [client, server] = await tcpPair();
    const { readable, writable } = client.toWeb();
    const echo = spawn(async () => {
      await server.writeAll(await server.readToEnd());
      server.close();
    });
    const writer = writable.getWriter();
    await writer.write(bytes("through "));
    await writer.write(bytes("the web"));
    await writer.close();
    const chunks: Uint8Array[] = [];
    for await (const chunk of readable as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("through the web");
    await echo;
  });

  test("toNode() gives the socket back with what was not read, fromNode() takes it again", async () => {
    const [client, server] = await tcpPair();
    await client.writeAll(bytes("hello world"));
    await server.readExact(new Uint8Array(6));
    const socket = server.toNode<Socket>();
    const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    expect(first.toString()).toBe("world");
    socket.pause();
    expect((await errorOf(server.read(new Uint8Array(1)))).code).toBe("TOKIWA_CLOSED");
    await client.writeAll(bytes("again"));
    await sleep(10);
    const stream = TcpStream.fromNode(socket);
    const into = new Uint8Array(5);
    await stream.readExact(into);
    expect(text(into)).toBe("again");
    await stream.writeAll(bytes("back"));
    await client.readExact(into.subarray(0, 4));
    expect(text(into.subarray(0, 4))).toBe("back");
    stream.close();
    client.close();
  });
});

// Tokio's files and where their cases are: tcp_accept, tcp_connect, tcp_echo, tcp_peek, tcp_split, tcp_into_split,
// tcp_into_std (toNode), tcp_shutdown, net_bind_resource here; the faults of tcp_shutdown and tcp_stream in
// net_faults.test.ts; io_driver, io_driver_drop (shutdown with sockets open) here; buffered in net_io.test.ts.
//
// Without a meaning here: try_read, try_write, try_read_buf, poll_read_ready, poll_write_ready, read_closed,
// write_closed, buffer_not_included_in_future (readiness is not shown, a read tries first anyway); reunite and
// split_stream_id (the halves do not own the stream); TcpSocket (tcp_socket: the host binds and connects in one step,
// linger is in net_faults); net_quickack (the host has no such option); no_runtime_panics_binding_net_tcp_listener
// (awaits outside of a runtime are served by the host); io_async_fd, io_poll_aio (the host gives no descriptors).
