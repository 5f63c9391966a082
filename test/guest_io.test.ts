// tk_io_*: requests, WebSockets and sockets of C guests, in poll tasks and, under JSPI, in blocking code.
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket as WsSocket, WebSocketServer } from "ws";
import { OptionError, Runtime, sleep } from "tokiwa";
import { attach, guestIo, type GuestIo, guestImports } from "tokiwa/guest";
import * as net from "tokiwa/net";
import { type Calls, fixture, loadC, type Loaded } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

const BODY = Buffer.alloc(50_000, 3);
let folder: string;
let http: string;
let ws: string;
let tcp: number;
const endings: (() => unknown)[] = [];
const io = (): GuestIo => guestIo({ net, WebSocket: WsSocket as unknown as typeof WebSocket });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokiwa-io-"));
  const server = createHttpServer((request, response) => {
    if (request.url === "/slow") return;
    if (request.method === "POST") return void request.pipe(response);
    response.writeHead(request.url === "/missing" ? 404 : 200, { "content-type": "text/x-tokiwa", "content-length": BODY.length }).end(BODY);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, request) => {
    if (request.url === "/fail") socket.close(4001, "no");
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  const local = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await Promise.all([
    new Promise<void>((done) => server.listen(0, "127.0.0.1", done)),
    new Promise<void>((done) => echo.listen(0, "127.0.0.1", done)),
    new Promise<void>((done) => local.listen(join(folder, "echo"), done)),
  ]);
  const { port } = server.address() as AddressInfo;
  http = `http://127.0.0.1:${port}`;
  ws = `ws://127.0.0.1:${port}`;
  tcp = (echo.address() as AddressInfo).port;
  endings.push(() => server.closeAllConnections(), () => server.close(), () => echo.close(), () => local.close());
});
afterAll(async () => {
  for (const end of endings) end();
  await rm(folder, { recursive: true });
});

/** Writes texts to where the guest takes its addresses from, each ended with a zero. */
function say({ call, guest }: Loaded, ...texts: string[]): void {
  const memory = guest.exports["HEAPU8"] as Uint8Array | undefined;
  const view = memory ?? new Uint8Array((guest.exports["memory"] as WebAssembly.Memory).buffer);
  view.set(Buffer.from(`${texts.join("\0")}\0`), call.text_at!());
}

function said({ call, guest }: Loaded): string {
  const memory = guest.exports["HEAPU8"] as Uint8Array | undefined;
  const view = memory ?? new Uint8Array((guest.exports["memory"] as WebAssembly.Memory).buffer);
  const at = call.text_at!();
  return Buffer.from(view.slice(at, view.indexOf(0, at))).toString();
}

describe.each(["emcc", "clang"] as const)("connections of a C guest compiled by %s", (compiler) => {
  const load = (runtime: Runtime): Promise<Loaded> => loadC(compiler, runtime, { io: io() }, "io");

  test("a poll task reads a response to its end, and knows its status", async () => {
    await using runtime = new Runtime();
    const loaded = await load(runtime);
    say(loaded, `${http}/`);
    expect(await loaded.guest.task(loaded.call.fetch_spawn!(0))).toBe(200_000 + 150_000);
    say(loaded, `${http}/missing`);
    expect(await loaded.guest.task(loaded.call.fetch_spawn!(0))).toBe(400_000 + 150_000);
  });

  test("a request with a method and a body", async () => {
    await using runtime = new Runtime();
    const loaded = await load(runtime);
    say(loaded, `${http}/`, '{"method":"POST","body":"AB"}');
    expect(await loaded.guest.task(loaded.call.fetch_spawn!(1))).toBe(200_000 + 65 + 66);
  });

  test("a WebSocket keeps messages apart, empty ones too, and texts from bytes", async () => {
    await using runtime = new Runtime();
    const loaded = await load(runtime);
    say(loaded, `${ws}/`);
    const tasks = [loaded.guest.task(loaded.call.echo_spawn!(400)), loaded.guest.task(loaded.call.echo_spawn!(10))];
    expect(await Promise.all(tasks)).toEqual([400, 10]);
  });

  test("failures are errors that say what happened", async () => {
    await using runtime = new Runtime();
    const loaded = await load(runtime);
    say(loaded, "http://127.0.0.1:9/");
    await expect(loaded.guest.task(loaded.call.fetch_spawn!(0))).rejects.toThrow("the error -15");
    expect(said(loaded)).not.toBe("");
    say(loaded, `${ws}/fail`);
    await expect(loaded.guest.task(loaded.call.echo_spawn!(5))).rejects.toThrow("the error -1");
    say(loaded, "no address");
    expect(loaded.call.raw_websocket!()).toBe(-1);
    expect(loaded.call.raw_fetch!()).toBe(-1);             // { is no JSON
  });

  test("an aborted task gives up its request", async () => {
    await using runtime = new Runtime();
    const loaded = await load(runtime);
    say(loaded, `${http}/slow`);
    const handle = loaded.guest.task(loaded.call.fetch_spawn!(0));
    await runtime.run(() => sleep(20));
    expect(runtime.scheduler.hostPending).toBeGreaterThan(0);
    handle.abort();
    await expect(handle).rejects.toThrow("cancelled");
    expect(runtime.scheduler.hostPending).toBe(0);
  });

  test("detaching closes what is open", async () => {
    const runtime = new Runtime();
    const loaded = await load(runtime);
    let closed = 0;
    const id = loaded.guest.stream({ read: () => new Promise(() => {}), close: () => closed++ });
    expect(loaded.call.raw_poll!(id, 2)).toBe(0);
    loaded.guest.detach();
    expect(closed).toBe(1);
    expect(runtime.scheduler.hostPending).toBe(0);
    expect([loaded.call.raw_poll!(id, 2), loaded.call.raw_tcp!(tcp), loaded.call.raw_read!(id, 0, 1)]).toEqual([-7, -7, -7]);
    expect(loaded.guest.stream({ read: async () => 0 })).toBe(-7);
    await runtime.shutdown();
  });

  test("bad numbers, addresses and lengths do no harm", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await load(runtime);
    const id = guest.stream({ write: async () => {} });
    const unknown = [call.raw_poll!(999, 2), call.raw_read!(999, 0, 1), call.raw_write!(999, 0, 1), call.raw_status!(999), call.raw_error!(999), call.raw_header!(999), call.raw_shutdown!(999), call.raw_left!(999), call.raw_close!(999)];
    expect(unknown).toEqual(unknown.map(() => -3));
    expect([call.raw_poll!(id, 0), call.raw_poll!(id, 64), call.raw_read!(id, 0, -1), call.raw_read!(id, 0xffff_fff0, 64), call.raw_write!(id, 16, 0x7fff_ffff)]).toEqual([-1, -1, -1, -1, -1]);
    expect([call.raw_status!(id), call.raw_header!(id), call.raw_left!(id), call.raw_tcp!(70_000)]).toEqual([0, -14, 0, -1]);
    expect([call.raw_write!(id, 16, 8), call.raw_write!(id, 16, 8)]).toEqual([8, -13]);   // one is on its way
    expect(call.raw_close!(id)).toBe(0);
    expect(call.raw_wait!(1)).toBe(-4);
    expect(() => guest.stream({})).toThrow(OptionError);
  });

  test("without guestIo() every call says so, and with it without net the sockets", async () => {
    await using runtime = new Runtime();
    const plain = await loadC(compiler, runtime, {}, "io");
    expect([plain.call.raw_websocket!(), plain.call.raw_tcp!(1), plain.call.raw_poll!(1, 2), plain.call.raw_close!(1)]).toEqual([-10, -10, -10, -10]);
    expect(() => plain.guest.stream({ read: async () => 0 })).toThrow("io must be given to attach()");
    const web = await loadC(compiler, runtime, { io: guestIo({ WebSocket: WsSocket as never }) }, "io");
    expect(web.call.raw_tcp!(tcp)).toBe(-10);
  });

  describe.skipIf(!hasJspi)("in blocking code", () => {
    test("fetch, WebSocket, TCP, Unix socket and a stream of JavaScript, side by side", async () => {
      await using runtime = new Runtime();
      const loaded = await load(runtime);
      const { guest } = loaded;
      say(loaded, `${http}/`);
      expect(await guest.run("blocking_fetch")).toBe(50_000);
      expect(said(loaded)).toBe("text/x-tokiwa");
      say(loaded, join(folder, "echo"));
      const unix = guest.run("unix_echo", 20);
      await runtime.run(() => sleep(5));
      const many = Array.from({ length: 50 }, () => guest.run("tcp_echo", tcp, 20));
      const [a, b] = net.duplex(100);
      void runtime.spawn(() => net.copy(a, a).then(() => a.shutdown()));
      const stream = guest.run("stream_echo", guest.stream(b), 20);
      expect(await Promise.all([unix, ...many, stream])).toEqual(Array.from({ length: 52 }, () => 20));
      say(loaded, `${ws}/`);
      expect(await guest.run("websocket_echo", 20)).toBe(20);
    });

    test("a refused connection is an error with the host's words", async () => {
      await using runtime = new Runtime();
      const loaded = await load(runtime);
      expect(await loaded.guest.run("tcp_echo", 9, 1)).toBe(-15);
      expect(said(loaded)).toContain("ECONNREFUSED");
    });
  });
});

describe("connections of a Rust guest", () => {
  const load = async (runtime: Runtime, address: string): Promise<Calls> => {
    const guest = await attach(runtime, await fixture("guest-rust.wasm"), { io: io() });
    const call = guest.exports as Calls;
    const room = call.text_room!(address.length);
    new Uint8Array((guest.exports["memory"] as WebAssembly.Memory).buffer).set(Buffer.from(address), room);
    return call;
  };
  const done = (runtime: Runtime): Promise<void> => runtime.run(async () => {
    while (runtime.metrics().tasksAlive > 0) await sleep(1);
  });

  test("fetch is a future, also for other wakers than a task's", async () => {
    await using runtime = new Runtime();
    const call = await load(runtime, `${http}/`);
    call.start_fetch!();
    await done(runtime);
    expect(call.total!()).toBe(200_000_000 + 100_000 + 150_000 + 1 + 10);
  });

  test("messages of a WebSocket, and bytes of a socket", async () => {
    await using runtime = new Runtime();
    const call = await load(runtime, `${ws}/`);
    call.start_websocket!(50);
    await done(runtime);
    expect(call.total!()).toBe(50);
    const other = await load(runtime, `127.0.0.1:${tcp}`);
    other.start_tcp!();
    await done(runtime);
    expect(other.total!()).toBe(15_000);
  });
});

test("guestIo() and guestImports() refuse what they cannot use", async () => {
  await using runtime = new Runtime();
  expect(() => guestIo({ net: {} as never })).toThrow("net must be the module tokiwa/net");
  expect(() => guestIo({ fetch: 5 as never })).toThrow("fetch must be a function, got 5");
  expect(() => guestImports(runtime, { io: {} as never })).toThrow("io must be what guestIo() returned");
});
