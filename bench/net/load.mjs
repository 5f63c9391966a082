// The other end of the benchmarks: a client in a process of its own, so that a side's CPU time is the server's alone.
//
//   echo    `connections` sockets, each sends `size` bytes and waits for them, `rounds` times
//   stream  one socket sends `size` bytes, `rounds` times, and waits for one byte from the server
//   accept  opens `rounds` connections, 50 at a time; each waits for one byte and is closed
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(import.meta.url);

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
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
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
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => {});
        socket.resume();
        await once(socket, "close");
      }
    };
    await Promise.all(Array.from({ length: 50 }, worker));
    return count;
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
