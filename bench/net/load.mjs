// The other end of the benchmarks: a client in a process of its own, so that a side's CPU time is the server's alone.
//
//   echo    `connections` sockets, each sends `size` bytes and waits for them, `rounds` times
//   stream  one socket sends `size` bytes, `rounds` times, and waits for one byte from the server
//   accept  opens `rounds` connections, 50 at a time; each waits for one byte and is closed
//   udp     `connections` sockets, each sends a datagram of `size` bytes and waits for it, `rounds` times
//   http    `rounds` requests by autocannon over `connections` connections; counts the answers of 200
//   paced   requests of `size` bytes at 80 % of the rate that `yardstick`, the port of a bare server, can take; the
//           99th percentile of the times from when a request was due to its answer, in us
//   idle    opens `rounds` connections and holds them
import { fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(import.meta.url);

const HOST = "127.0.0.1";

/** Starts a client; the returned function runs one round of it and resolves with what it counted. */
export async function startLoad(port, load) {
  const child = fork(FILE, ["load", String(port), JSON.stringify(load)], { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  process.once("exit", () => child.kill());
  await once(child, "message");
  return async () => {
    child.send("go");
    const [count] = await once(child, "message");
    return count;
  };
}

const open = async (port) => {
  const socket = connect({ port, host: HOST, noDelay: true });
  await once(socket, "connect");
  return socket;
};

/** Sends `bytes` and waits until `expected` have come back, `rounds` times. */
function talk(socket, bytes, expected, rounds) {
  return new Promise((resolve) => {
    let left = rounds;
    let got = 0;
    const send = () => socket.write(bytes);
    const onData = (chunk) => {
      got += chunk.length;
      if (got < expected) return;
      got = 0;
      if (--left > 0) return void send();
      socket.off("data", onData);
      resolve(rounds);
    };
    socket.on("data", onData);
    send();
  });
}

/** A datagram that is lost is sent again. */
function talkUdp(socket, bytes, port, rounds) {
  return new Promise((resolve) => {
    let left = rounds;
    const send = () => socket.send(bytes, port, HOST);
    const timer = setInterval(send, 200);
    socket.removeAllListeners("message");
    socket.on("message", () => {
      if (--left > 0) {
        timer.refresh();
        return void send();
      }
      clearInterval(timer);
      resolve(rounds);
    });
    send();
  });
}

/** One request at a time, each of them timed from when it was due. */
function pacedConnection(socket, bytes, times) {
  let got = 0;
  const due = [];
  socket.on("data", (chunk) => {
    for (got += chunk.length; got >= bytes.length; got -= bytes.length) times.push(performance.now() - due.shift());
  });
  return (at) => {
    due.push(at);
    socket.write(bytes);
  };
}

const percentile = (times, share) => times.sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))];

const LOADS = {
  echo: async (port, { connections, size, rounds }) => {
    const bytes = Buffer.alloc(size, 1);
    const sockets = [];
    for (let i = 0; i < connections; i++) sockets.push(await open(port));
    return async () => (await Promise.all(sockets.map((socket) => talk(socket, bytes, size, rounds)))).reduce((a, b) => a + b);
  },
  stream: async (port, { size, rounds }) => {
    const bytes = Buffer.alloc(size, 1);
    const socket = await open(port);
    return async () => {
      const answer = once(socket, "data");
      for (let i = 0; i < rounds; i++) if (!socket.write(bytes)) await once(socket, "drain");
      await answer;
      return rounds;
    };
  },
  accept: (port, { rounds }) => async () => {
    let count = 0;
    const worker = async () => {
      while (count < rounds) {
        count++;
        const socket = connect(port, HOST);
        socket.on("error", () => {});
        socket.resume();
        await once(socket, "close");
      }
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    return count;
  },
  udp: async (port, { connections, size, rounds }) => {
    const bytes = Buffer.alloc(size, 1);
    const sockets = Array.from({ length: connections }, () => createSocket("udp4"));
    return async () => (await Promise.all(sockets.map((socket) => talkUdp(socket, bytes, port, rounds)))).reduce((a, b) => a + b);
  },
  http: async (port, { connections, rounds }) => {
    const { default: autocannon } = await import("autocannon");
    return async () => (await autocannon({ url: `http://${HOST}:${port}/`, connections, amount: rounds })).statusCodeStats[200].count;
  },
  paced: async (port, { connections, size, rounds, yardstick }) => {
    const bytes = Buffer.alloc(size, 1);
    const openAll = (to) => Promise.all(Array.from({ length: connections }, () => open(to)));
    const bare = await openAll(yardstick);
    const each = Math.ceil(rounds / connections);
    const rate = async () => {
      const start = performance.now();
      await Promise.all(bare.map((socket) => talk(socket, bytes, size, each)));
      return (each * connections) / (performance.now() - start);
    };
    for (let i = 0; i < 3; i++) await rate();
    const times = [];
    const send = (await openAll(port)).map((socket) => pacedConnection(socket, bytes, times));
    return async () => {
      const perMs = 0.8 * (await rate());
      times.length = 0;
      const start = performance.now();
      let sent = 0;
      while (times.length < rounds) {
        const due = Math.min(rounds, Math.floor((performance.now() - start) * perMs));
        for (; sent < due; sent++) send[sent % connections](start + sent / perMs);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return percentile(times, 0.99) * 1000;
    };
  },
  idle: (port, { rounds }) => async () => {
    const held = [];
    while (held.length < rounds) held.push(...(await Promise.all(Array.from({ length: 100 }, () => open(port)))));
    return held.length;
  },
};

if (process.argv[2] === "load" && process.send !== undefined) {
  const [, , , port, load] = process.argv;
  const { kind, ...options } = JSON.parse(load);
  const round = await LOADS[kind](Number(port), options);
  process.on("message", async () => process.send(await round()));
  process.on("disconnect", () => process.exit());
  process.send("ready");
}
