// Unix sockets (and named pipes on Windows, where the host has them).

import type { Server } from "node:net";
import type { Future } from "../future.ts";
import { checkBacklog, checkPath, type UnixAddr } from "./address.ts";
import { ByteStream } from "./byte-stream.ts";
import { Connect } from "./connect.ts";
import { connectedEndpoint } from "./handle.ts";
import type { HostEndpoint } from "./host-endpoint.ts";
import { Accept, Acceptor, Bind, connections } from "./listener.ts";
import { need } from "./modules.ts";
import type { NodeServer, NodeSocket } from "./node-types.ts";
import { adopt } from "./socket.ts";

/** A connection over a Unix socket; reads and writes as `TcpStream` does. */
export class UnixStream extends ByteStream {
  declare readonly endpoint: HostEndpoint;
  /** Our own path; "" on the connecting side, which has none. */
  readonly localAddr: UnixAddr;
  /** The peer's path; "" on the accepting side. */
  readonly peerAddr: UnixAddr;

  /** @internal use `connect()`, `accept()` or `fromNode()` */
  constructor(endpoint: HostEndpoint, localPath: string, peerPath: string) {
    super(endpoint);
    this.localAddr = { path: localPath };
    this.peerAddr = { path: peerPath };
  }

  /**
   * Connects. Cancel safe: dropping it closes the socket.
   *
   * @throws the host's error: `ENOENT`, `ECONNREFUSED`, `EACCES`, ...
   */
  static connect(addr: UnixAddr): Future<UnixStream> {
    const net = need("node:net", "UnixStream.connect()");
    const path = checkPath(addr);
    return new Connect(
      () => net.connect({ path, allowHalfOpen: true }),
      "connect",
      (socket) => new UnixStream(connectedEndpoint(socket), "", path),
      `a connection to ${path}`,
    );
  }

  /** Takes over a connected `net.Socket`: its other listeners hear no more data. Its paths are not known. */
  static fromNode(socket: NodeSocket): UnixStream {
    return new UnixStream(adopt(socket, "UnixStream.fromNode()"), "", "");
  }

  /** The `net.Socket`, with the bytes not read yet in it. This stream is closed by that, the socket is not. */
  toNode<S = NodeSocket>(): S {
    return this.endpoint.release() as S;
  }
}

/** Accepts connections on a path of the file system. */
export class UnixListener implements AsyncIterable<UnixStream>, Disposable {
  readonly #acceptor: Acceptor<UnixStream>;
  readonly #path: string;

  /** @internal use `bind()` */
  constructor(server: NodeServer, path: string) {
    this.#acceptor = new Acceptor(server as Server, (endpoint) => new UnixStream(endpoint, path, ""));
    this.#path = path;
  }

  /**
   * Listens. The file is removed again by `close()`.
   *
   * @throws the host's error: `EADDRINUSE` when the file exists, `EACCES`, ...
   */
  static bind(addr: UnixAddr & { backlog?: number }): Future<UnixListener> {
    need("node:net", "UnixListener.bind()");
    const path = checkPath(addr);
    const backlog = checkBacklog(addr.backlog);
    return new Bind({ path, backlog }, (server) => new UnixListener(server, path), (listener) => listener.close());
  }

  /** The next connection. Cancel safe. */
  accept(): Future<UnixStream> {
    return new Accept(this.#acceptor);
  }

  /** Where it listens. */
  get localAddr(): UnixAddr {
    return { path: this.#path };
  }

  /** Stops listening and removes the file. Idempotent. */
  close(): void {
    this.#acceptor.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Every connection until `close()`. */
  [Symbol.asyncIterator](): AsyncGenerator<UnixStream, void, undefined> {
    return connections(
      () => this.accept(),
      () => this.#acceptor.isClosed,
    );
  }
}
