// TCP.

import type { AddressInfo, Server } from "node:net";
import { OptionError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkBoolean, checkDuration, checkOptions, show } from "../options.ts";
import { type Addr, checkAddr, checkBacklog } from "./address.ts";
import { ByteStream } from "./byte-stream.ts";
import { Connect } from "./connect.ts";
import { connectedEndpoint } from "./handle.ts";
import type { HostEndpoint } from "./host-endpoint.ts";
import { Accept, Acceptor, Bind, connections } from "./listener.ts";
import { need } from "./modules.ts";
import type { NodeServer, NodeSocket } from "./node-types.ts";
import { adopt } from "./socket.ts";

const MAX_KEEP_ALIVE_MS = 2_147_483_647;

/** Options of `TcpStream.connect()`. */
export interface TcpConnectOptions {
  /** Send small writes at once (TCP_NODELAY). Default false, as everywhere. */
  noDelay?: boolean;
  /** Probe an idle connection after so many ms; default: never. */
  keepAlive?: number;
}

/**
 * A TCP connection.
 *
 * Reads and writes push back: while nobody reads, at most 192 KiB are held and then the peer is stopped.
 * A stream that is no longer needed must be closed (or declared with `using`): there are no destructors.
 *
 * @example
 * using stream = await TcpStream.connect({ host: "127.0.0.1", port: 7 });
 * await stream.writeAll(new TextEncoder().encode("hello"));
 * await stream.shutdown();
 * console.log(new TextDecoder().decode(await stream.readToEnd()));
 */
export class TcpStream extends ByteStream {
  declare readonly endpoint: HostEndpoint;

  /**
   * Connects. Names are looked up, and each address is tried. Cancel safe: dropping it closes the socket.
   *
   * @param addr `host` (default "localhost") and `port`
   * @throws the host's error: `ECONNREFUSED`, `ENOTFOUND`, `ETIMEDOUT`, ...
   */
  static connect(addr: { host?: string; port: number }, options?: TcpConnectOptions): Future<TcpStream> {
    const net = need("node:net", "TcpStream.connect()");
    const { host, port } = checkAddr(addr, "localhost");
    const { noDelay, keepAlive } = checkOptions<TcpConnectOptions>("options", options);
    if (noDelay !== undefined) checkBoolean("noDelay", noDelay);
    if (keepAlive !== undefined) checkKeepAlive("keepAlive", keepAlive);
    return new Connect(
      () => net.connect({ host, port, allowHalfOpen: true, noDelay: noDelay ?? false, keepAlive: keepAlive !== undefined, keepAliveInitialDelay: keepAlive ?? 0 }),
      "connect",
      (socket) => new TcpStream(connectedEndpoint(socket)),
      `a connection to ${host}:${port}`,
    );
  }

  /** Takes over a connected `net.Socket`: its other listeners hear no more data. */
  static fromNode(socket: NodeSocket): TcpStream {
    return new TcpStream(adopt(socket, "TcpStream.fromNode()"));
  }

  /** The `net.Socket`, with the bytes not read yet in it. This stream is closed by that, the socket is not. */
  toNode<S = NodeSocket>(): S {
    return this.endpoint.release() as S;
  }

  /** Sends small writes at once (true) or collects them for a round trip (false, the default). */
  setNoDelay(on: boolean): void {
    this.endpoint.setNoDelay(checkBoolean("on", on));
  }

  /** Probes the peer when the connection has been idle for `ms` (the host counts whole seconds; default: the system's two hours). */
  setKeepAlive(on: boolean, ms?: number): void {
    this.endpoint.setKeepAlive(checkBoolean("on", on), ms === undefined ? 0 : checkKeepAlive("ms", ms));
  }

  /**
   * How long `close()` lets the rest of the data go out: undefined (the default) as long as it takes, 0 not at all: the
   * peer gets a reset (RST).
   */
  setLinger(ms: number | undefined): void {
    this.endpoint.lingerMs = ms === undefined ? undefined : checkDuration("ms", ms);
  }

  /** Our own address; port 0 once the socket is gone. */
  get localAddr(): Addr {
    return this.endpoint.localAddr;
  }

  /** The peer's address; port 0 once the socket is gone. */
  get peerAddr(): Addr {
    return this.endpoint.peerAddr;
  }
}

function checkKeepAlive(name: string, ms: number): number {
  if (checkDuration(name, ms) > MAX_KEEP_ALIVE_MS) throw new OptionError(`${name} must be at most ${MAX_KEEP_ALIVE_MS} ms, got ${show(ms)}`);
  return ms;
}

/**
 * Accepts TCP connections.
 *
 * @example
 * const listener = await TcpListener.bind({ host: "127.0.0.1", port: 8080 });
 * for await (const stream of listener) spawn(serve, stream);
 */
export class TcpListener implements AsyncIterable<TcpStream>, Disposable {
  readonly #acceptor: Acceptor<TcpStream>;
  readonly #localAddr: Addr;

  /** @internal use `bind()` */
  constructor(server: NodeServer) {
    this.#acceptor = new Acceptor(server as Server, (endpoint) => new TcpStream(endpoint));
    const { address, port } = server.address() as AddressInfo;
    this.#localAddr = { host: address, port };
  }

  /**
   * Listens. Cancel safe: dropped, nothing listens.
   *
   * @param addr `port` 0 lets the system choose (see `localAddr`); `host` default: every address of this machine;
   *   `backlog`: connections that may wait in the system, default 1024
   * @throws the host's error: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, ...
   */
  static bind(addr: { host?: string; port: number; backlog?: number }): Future<TcpListener> {
    need("node:net", "TcpListener.bind()");
    const { host, port } = checkAddr(addr, "::");
    const backlog = checkBacklog(addr.backlog);
    const where = addr.host === undefined ? {} : { host };
    return new Bind({ ...where, port, backlog }, (server) => new TcpListener(server), (listener) => listener.close());
  }

  /**
   * The next connection. Several tasks may wait for one. Cancel safe: dropping it loses none. Connections that fail before they are accepted,
   * for want of descriptors too, are passed over.
   *
   * @throws {TokiwaError} `TOKIWA_CLOSED` after `close()`
   */
  accept(): Future<TcpStream> {
    return new Accept(this.#acceptor);
  }

  /** Where it listens. */
  get localAddr(): Addr {
    return this.#localAddr;
  }

  /** Stops listening; connections that nobody accepted are closed, accepted ones go on. Idempotent. */
  close(): void {
    this.#acceptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Every connection until `close()`. Leaving the loop does not close the listener. */
  [Symbol.asyncIterator](): AsyncGenerator<TcpStream, void, undefined> {
    return connections(
      () => this.accept(),
      () => this.#acceptor.isClosed,
    );
  }
}
