// TCP over loopback: echo, one-way streaming, and how fast connections are taken. The client is another process, so
// the CPU time is the server's; it is the same client for every side.
import { startLoad } from "./load.mjs";
import { echo, greet, sink } from "./servers.mjs";

function netCase(name, unit, servers, load, ops) {
  const sides = {};
  for (const [side, start] of Object.entries(servers)) {
    sides[side] = async () => ({ run: await startLoad(await start(), load) });
  }
  return { name, unit, ops, answer: ops, base: "net events", sides };
}

const STREAM_BYTES = 65_536;
const STREAM_ROUNDS = 400;

export default [
  netCase("echo_50_64B", "request", echo, { kind: "echo", connections: 50, size: 64, rounds: 40 }, 2000),
  netCase("echo_50_16KiB", "request", echo, { kind: "echo", connections: 50, size: 16_384, rounds: 20 }, 1000),
  netCase("stream_64KiB", "64 KiB", sink(STREAM_BYTES * STREAM_ROUNDS), { kind: "stream", size: STREAM_BYTES, rounds: STREAM_ROUNDS }, STREAM_ROUNDS),
  netCase("accept_50_at_once", "connection", greet, { kind: "accept", rounds: 500 }, 500),
];
