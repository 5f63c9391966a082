import { describe, expect, test } from "vitest";
import { PENDING, select, sleep, spawn, type Suspend, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { lookupHost, UdpSocket } from "tokiwa/net";
import { bytes, descriptors, errorOf, eventually, LOOPBACK, text } from "./support/net.ts";

const bind = () => UdpSocket.bind({ host: LOOPBACK, port: 0 });

describe("UdpSocket", () => {
  test("sendTo and recvFrom, with the sender's address", async () => {
    const [a, b] = [await bind(), await bind()];
    expect(await a.sendTo(bytes("hello"), b.localAddr)).toBe(5);
    const into = new Uint8Array(100);
    expect(await b.recvFrom(into)).toEqual([5, a.localAddr]);
    expect(text(into.subarray(0, 5))).toBe("hello");
    a.close();
    b.close();
  });

  test("a connected socket sends and receives with its peer only", async () => {
    const [a, b, c] = [await bind(), await bind(), await bind()];
    await a.connect(b.localAddr);
    await c.sendTo(bytes("stranger"), a.localAddr);
    await a.send(bytes("x"));
    const into = new Uint8Array(100);
    const [, from] = await b.recvFrom(into);
    await b.sendTo(bytes("friend"), from);
    expect(await a.recv(into)).toBe(6);
    expect(text(into.subarray(0, 6))).toBe("friend");
    for (const socket of [a, b, c]) socket.close();
  });

  test("datagrams keep their borders: empty ones arrive, long ones are cut", async () => {
    const [a, b] = [await bind(), await bind()];
    for (const message of ["", "abcdef", "gh"]) await a.sendTo(bytes(message), b.localAddr);
    const into = new Uint8Array(4);
    const got: string[] = [];
    for (let i = 0; i < 3; i++) got.push(text(into.subarray(0, await b.recv(into))));
    expect(got).toEqual(["", "abcd", "gh"]);
    a.close();
    b.close();
  });

  test("a dropped receive loses no datagram", async () => {
    const [a, b] = [await bind(), await bind()];
    const into = new Uint8Array(10);
    const receive = task(b.recv(into));
    expect(receive.poll()).toBe(PENDING);
    await a.sendTo(bytes("kept"), b.localAddr);
    await eventually(() => receive.isWoken, "a wake");
    receive.drop();
    const { value } = await select({ got: b.recvFrom(into), late: sleep(2000) }, { biased: true });
    expect((value as [number, unknown])[0]).toBe(4);
    a.close();
    b.close();
  });

  test("a flood that nobody receives keeps memory within its limit", async () => {
    const [a, b] = [await bind(), await bind()];
    const piece = new Uint8Array(1000);
    for (let i = 0; i < 5000; i++) await a.sendTo(piece, b.localAddr);
    await sleep(20);
    let received = 0;
    const into = new Uint8Array(1000);
    for (;;) {
      const { name } = await select({ got: b.recv(into), late: sleep(50) }, { biased: true });
      if (name === "late") break;
      received++;
    }
    expect(received).toBeGreaterThan(0);
    expect(received * 1128).toBeLessThanOrEqual(1 << 20);
    a.close();
    b.close();
  });

  test("an echo of 200 datagrams between generator tasks", async () => {
    const [server, client] = [await bind(), await bind()];
    const serving = spawn(function* () {
      const into = new Uint8Array(64);
      for (;;) {
        const [n, from] = yield* server.recvFrom(into);
        yield* server.sendTo(into.subarray(0, n), from);
      }
    });
    const answers = await spawn(function* () {
      const into = new Uint8Array(64);
      const got: string[] = [];
      for (let i = 0; i < 200; i++) {
        yield* client.sendTo(bytes(`message ${i}`), server.localAddr);
        got.push(text(into.subarray(0, yield* client.recv(into))));
      }
      return got;
    });
    expect(answers).toEqual(Array.from({ length: 200 }, (_, i) => `message ${i}`));
    serving.abort();
    await serving.result();
    client.close();
    server.close();
  });

  test("errors: a used port, too long a datagram, nobody there, closed", async () => {
    const [a, b] = [await bind(), await bind()];
    expect((await errorOf(UdpSocket.bind(a.localAddr))).code).toBe("EADDRINUSE");
    expect((await errorOf(a.sendTo(new Uint8Array(70_000), b.localAddr))).code).toBe("EMSGSIZE");
    const gone = b.localAddr;
    b.close();
    await a.connect(gone);
    const error = await errorOf(async () => {
      const into = new Uint8Array(1);
      for (let i = 0; i < 100; i++) {
        await a.send(bytes("anyone?"));
        const { name } = await select({ got: a.recv(into), late: sleep(20) }, { biased: true });
        if (name === "got") return;
      }
    });
    expect(error.code).toBe("ECONNREFUSED");
    const pending = errorOf(a.recv(new Uint8Array(1)));
    a.close();
    expect((await pending).code).toBe("TOKIWA_CLOSED");
    expect((await errorOf(a.send(bytes("x")))).code).toBe("TOKIWA_CLOSED");
    expect((await errorOf(() => UdpSocket.bind({ port: 70_000 }))).name).toBe("OptionError");
  });

  test("sockets leave no descriptor behind, also when bind and receive are dropped", async () => {
    const before = descriptors();
    for (let i = 0; i < 10; i++) {
      const binding = task(UdpSocket.bind({ host: "localhost", port: 0 }));
      expect(binding.poll()).toBe(PENDING);                // the name is looked up
      if (i % 2 === 0) await sleep(5);                     // bound, and nobody has asked
      binding.drop();
      const socket = await bind();
      const waiting = spawn(socket.recv(new Uint8Array(1)));
      await sleep(1);
      waiting.abort();
      await waiting.result();
      socket.close();
    }
    await eventually(() => descriptors() <= before, "every socket to be closed");
  });
});

describe("UdpSocket shared by tasks", () => {
  test("one task sends while another receives, and several may receive: each datagram goes to one", async () => {
    const [a, b] = [await bind(), await bind()];
    const count = 30;
    const got: number[] = [];
    const receive = function* (): Generator<Suspend, void> {
      const into = new Uint8Array(8);
      for (;;) {
        yield* b.recvFrom(into);
        got.push(into[0]!);
        yield* sleep(0);
      }
    };
    const receivers = [spawn(receive), spawn(receive), spawn(receive)];
    const dropped = task(b.recv(new Uint8Array(8)));
    expect(dropped.poll()).toBe(PENDING);
    await spawn(function* () {
      for (let i = 0; i < count; i++) {
        yield* a.sendTo(new Uint8Array([i]), b.localAddr);
        if (i === 3) dropped.drop();
      }
    });
    await eventually(() => got.length === count, "every datagram");
    expect(got.sort((x, y) => x - y)).toEqual(Array.from({ length: count }, (_, i) => i));
    for (const receiver of receivers) receiver.abort();
    for (const receiver of receivers) expect((await receiver.result()).status).toBe("cancelled");
    a.close();
    b.close();
  });

  test("a loop over datagrams that are there lets other tasks run", async () => {
    const [a, b] = [await bind(), await bind()];
    for (let i = 0; i < 300; i++) await a.sendTo(new Uint8Array(1), b.localAddr);
    let received = 0;
    const others: number[] = [];
    const receiving = spawn(function* () {
      const into = new Uint8Array(1);
      for (;;) {
        yield* b.recv(into);
        received++;
      }
    });
    await eventually(() => received > 0, "a first datagram");
    const other = spawn(function* () {
      for (let i = 0; i < 3; i++) {
        others.push(received);
        yield* yieldNow();
      }
    });
    await other;
    expect(others.length).toBe(3);
    receiving.abort();
    a.close();
    b.close();
  });
});

describe("lookupHost()", () => {
  test("names, addresses and ports", async () => {
    expect(await lookupHost("127.0.0.1:80")).toEqual([{ host: "127.0.0.1", port: 80 }]);
    expect(await lookupHost("[::1]:443")).toEqual([{ host: "::1", port: 443 }]);
    expect(await lookupHost("::1")).toEqual([{ host: "::1", port: 0 }]);
    expect((await lookupHost("localhost")).length).toBeGreaterThan(0);
  });

  test("a host that does not resolve, and arguments that are none", async () => {
    expect((await errorOf(lookupHost("does-not-exist.invalid"))).code).toMatch(/ENOTFOUND|EAI_AGAIN/);
    for (const bad of ["", "host:port", "host:70000", 5]) expect((await errorOf(() => lookupHost(bad as string))).name).toBe("OptionError");
  });
});

// Tokio's udp, coop_budget (udp_send_recv) and net_lookup_host are here. Without a meaning: peek, peek_from,
// peek_sender and their try and poll forms (the host has none); try_send, try_recv, poll_ready (readiness is not
// shown); recv_buf and the like (a Uint8Array has no growing part); from_std (net_panic). Unix datagrams
// (uds_datagram) are none of the host's either.
