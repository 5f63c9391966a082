// Helpers of the network tests: pairs of streams, what is open, programs in a process of their own.
import { spawn as startProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { type Future, spawn } from "tokiwa";
import { TcpListener, TcpStream } from "tokiwa/net";

export const LOOPBACK = "127.0.0.1";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);

/** Both ends of a TCP connection over loopback. */
export async function tcpPair(): Promise<[client: TcpStream, server: TcpStream]> {
  const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
  try {
    const accepted = spawn(listener.accept());
    const client = await TcpStream.connect(listener.localAddr);
    return [client, await accepted];
  } finally {
    listener.close();
  }
}

/**
 * How one of our streams came to be. On Node the first two are handles of libuv and the third is a `net.Socket`; on
 * other hosts all are sockets.
 */
export const ORIGINS = ["connected", "accepted", "taken over"] as const;

/** One of our streams and a bare `net.Socket` at its other end, for faults that we would not make ourselves. */
export async function withBarePeer(origin: (typeof ORIGINS)[number] = "connected"): Promise<[stream: TcpStream, peer: Socket]> {
  if (origin === "accepted") {
    const listener = await TcpListener.bind({ host: LOOPBACK, port: 0 });
    const peer = connect({ port: listener.localAddr.port, host: LOOPBACK, allowHalfOpen: true });
    peer.on("error", () => {});
    const stream = await listener.accept();
    listener.close();
    return [stream, peer];
  }
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const { port } = server.address() as { port: number };
  let stream: TcpStream;
  if (origin === "connected") stream = await TcpStream.connect({ host: LOOPBACK, port });
  else {
    const socket = connect(port, LOOPBACK);
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    stream = TcpStream.fromNode(socket);
  }
  const peer = await accepted;
  peer.on("error", () => {});
  server.close();
  return [stream, peer];
}

/** How many descriptors this process has open. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Waits until `isTrue`, looking again every few milliseconds; at most 20 s. */
export async function eventually(isTrue: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 20_000;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The error that a future, promise or call ends with; fails when it does not. */
export async function errorOf(run: (() => unknown) | Future<unknown> | PromiseLike<unknown>): Promise<Error & { code?: string }> {
  try {
    await (typeof run === "function" ? run() : run);
  } catch (error) {
    return error as Error & { code?: string };
  }
  throw new Error("expected an error, and there was none");
}

export interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a module's source in a Node of its own, at most 50 s. `onOutput` sees what it has printed so far. */
export function runProgram(source: string, { limits, onOutput }: { limits?: string; onOutput?: (output: string, kill: (signal: NodeJS.Signals) => void) => void } = {}): Promise<Finished> {
  const dist = (file: string): string => JSON.stringify(new URL(`../../dist/${file}`, import.meta.url).href);
  const program = source.replaceAll('"tokiwa"', dist("index.js")).replaceAll('"tokiwa/net"', dist("net.js"));
  const args = ["--input-type=module", "-e", program];
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const child =
    limits === undefined
      ? startProcess(process.execPath, args, { cwd })
      : startProcess("bash", ["-c", `${limits}; exec "$0" "$@"`, process.execPath, ...args], { cwd });
  let output = "";
  const timer = setTimeout(() => child.kill("SIGKILL"), 50_000);
  const onData = (data: Buffer): void => {
    output += data.toString();
    onOutput?.(output, (signal) => child.kill(signal));
  };
  child.stdout.on("data", onData);
  child.stderr.on("data", onData);
  return new Promise((resolve) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}
