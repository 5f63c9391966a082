// Servers over loopback: echo, one-way streaming, how fast connections are taken, datagrams, HTTP, latency under load
// and what an idle connection costs. The client is another process, so the CPU time is the server's; it is the same
// client for every side.
import { startLoad } from "./load.mjs";
import { echo, echoUdp, greet, hello, sink } from "./servers.mjs";

function netCase(name, unit, servers, load, ops, base = "net events") {
  const sides = {};
  for (const [side, start] of Object.entries(servers)) {
    sides[side] = async () => ({ run: await startLoad(await start(), load) });
  }
  return { name, unit, ops, answer: ops, base, sides };
}

const PACED = { kind: "paced", connections: 50, size: 64, rounds: 10_000 };
const IDLE = 9000;
/** Opened before the first look, so that code and tables are there. */
const WARM = 500;

/** What 99 of 100 requests do not exceed when they come, evenly, at 80 % of what bare event code can take. */
const latency = {
  name: "latency_p99_at_80_percent",
  unit: "us from when a request was due to its answer, 99th percentile",
  kind: "value",
  base: "net events",
  sides: Object.fromEntries(
    ["generator", "async", "async iterator", "net events"].map((side) => [
      side,
      async () => {
        const yardstick = await echo["net events"]();
        return { run: await startLoad(await echo[side](), { ...PACED, yardstick }) };
      },
    ]),
  ),
};

/** All memory of the process, per connection on which somebody waits to read. */
const idle = {
  name: "bytes_per_idle_connection",
  unit: "bytes per connection, all included (resident memory of the server)",
  kind: "value",
  fresh: true,
  turns: 5,
  base: "net events",
  sides: Object.fromEntries(
    ["generator", "async", "async iterator", "net events"].map((side) => [
      side,
      async () => {
        const port = await echo[side](64);
        const [warm, open] = [await startLoad(port, { kind: "idle", rounds: WARM }), await startLoad(port, { kind: "idle", rounds: IDLE })];
        const settle = async () => {                       // the collector gives pages back by and by
          let rss = Infinity;
          for (let same = 0, i = 0; same < 3 && i < 20; i++) {
            await new Promise((resolve) => setTimeout(resolve, 100));
            globalThis.gc();
            const now = process.memoryUsage().rss;
            same = now > rss * 0.998 ? same + 1 : 0;
            rss = now;
          }
          return rss;
        };
        return {
          run: async () => {
            await warm();
            const before = await settle();
            await open();
            return ((await settle()) - before) / IDLE;
          },
        };
      },
    ]),
  ),
};

const STREAM_BYTES = 65_536;
const STREAM_ROUNDS = 400;

export default [
  netCase("echo_50_64B", "request", echo, { kind: "echo", connections: 50, size: 64, rounds: 40 }, 2000),
  netCase("echo_50_16KiB", "request", echo, { kind: "echo", connections: 50, size: 16_384, rounds: 20 }, 1000),
  netCase("stream_64KiB", "64 KiB", sink(STREAM_BYTES * STREAM_ROUNDS), { kind: "stream", size: STREAM_BYTES, rounds: STREAM_ROUNDS }, STREAM_ROUNDS),
  netCase("accept_50_at_once", "connection", greet, { kind: "accept", rounds: 500 }, 500),
  netCase("udp_echo_50_64B", "datagram there and back", echoUdp, { kind: "udp", connections: 50, size: 64, rounds: 40 }, 2000, "dgram events"),
  netCase("http_hello_50", "request", hello, { kind: "http", connections: 50, rounds: 2000 }, 2000, "net events, same parser"),
  latency,
  idle,
];
