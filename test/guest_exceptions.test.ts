// C++ guests with exceptions, compiled by em++ -fexceptions; cancellation, values that only move, connections.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket as WsSocket, WebSocketServer } from "ws";
import { Runtime, sleep } from "tokiwa";
import { attach, guestIo } from "tokiwa/guest";
import { advance } from "tokiwa/testing";
import { fixture, type Call } from "./guests/load.ts";

let runtime: Runtime;
let call: Record<string, Call>;
let memory: Uint8Array;
const load = async (options: ConstructorParameters<typeof Runtime>[0]): Promise<void> => {
  runtime = new Runtime(options);
  const { default: factory } = await import(new URL("guests/fixtures/guest-exceptions.mjs", import.meta.url).href);
  const io = guestIo({ WebSocket: WsSocket as unknown as typeof WebSocket });
  const guest = await attach(runtime, factory, { io, module: { wasmBinary: await fixture("guest-exceptions.wasm"), printErr() {} } });
  call = new Proxy({}, { get: (_, name) => guest.exports[`_${String(name)}`] }) as Record<string, Call>;
  memory = guest.exports["HEAPU8"] as Uint8Array;
};
beforeEach(() => load({ startPaused: true, unhandledFailure: "ignore" }));
afterEach(() => runtime.shutdown());

const settle = async (ms: number): Promise<void> => {
  for (let i = 0; i < ms; i++) await runtime.run(() => advance(1));
};

test("exceptions go through frames, handles, when_all and when_any", async () => {
  call.start_exceptions!();
  await settle(1100);
  expect(call.total!()).toBe(654_321);
  expect([call.alive_guards!(), runtime.metrics().tasksAlive, runtime.metrics().timers]).toEqual([0, 0, 0]);
});

test("an exception that nobody will learn of is a failure of the task", async () => {
  await runtime.shutdown();
  await load({ unhandledFailure: "shutdown" });
  const main = runtime.run(() => new Promise(() => {}));
  call.start_unobserved!();
  await expect(main).rejects.toThrow("trapped");
});

test("what is cancelled while it waits destroys its frames and takes nothing along", async () => {
  call.start_cancellation!();
  await settle(10);
  expect(call.total!()).toBe(4 + 20 + 100 + 1000);
  expect(call.alive_guards!()).toBe(1);                    // the task that the cancelled one had spawned goes on
  await settle(20);
  expect(runtime.metrics().tasksAlive).toBe(1);
});

test("values that only move pass through tasks, channels and when_all", async () => {
  call.start_moves!();
  await settle(3);
  expect(call.total!()).toBe(6 + 30 + 100 + 200);
});

test("a response and a WebSocket are awaited", async () => {
  await runtime.shutdown();
  await load({});
  const server = createServer((_, response) => response.end(Buffer.alloc(5000)));
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const finish = (): Promise<void> => runtime.run(async () => {
    while (runtime.metrics().tasksAlive > 0) await sleep(1);
  });
  memory.set(Buffer.from(`http://127.0.0.1:${port}/\0`), call.address_at!());
  call.start_fetch!();
  await finish();
  expect(call.total!()).toBe(200_005_000);
  call.clear!();
  memory.set(Buffer.from(`ws://127.0.0.1:${port}/\0`), call.address_at!());
  call.start_talk!(20);
  await finish();
  expect(call.total!()).toBe(20);
  server.closeAllConnections();
  server.close();
});
