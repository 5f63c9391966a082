// A socket of node:net or node:tls as source and sink: on every host, and for both ends of TLS.
//
// Reading bypasses the host's stream machinery: the socket hands each chunk to its own `push`, and that is
// replaced by one that queues the chunk and wakes the reader. Returning false from it stops the
// host from reading, `_read` starts it again. Against 'data' events that takes 10 % off an echo of 64 B and 18 % off
// 16 KiB, which pays for the scheduler; 'readable' and async iterators cost more than events.
//
// Handlers are shared by all sockets and find theirs through a property of the socket, so an idle
// connection costs one object and two gates more than a bare one.
//
// Writing goes through `socket.write`, whose data the host may still hold by reference when it returns.

import type { Socket } from "node:net";
import { OptionError } from "../errors.ts";
import { show } from "../options.ts";
import type { Addr } from "./address.ts";
import { HostEndpoint, NOWHERE } from "./host-endpoint.ts";
import { need } from "./modules.ts";
import type { NodeSocket } from "./node-types.ts";

const ENDPOINT: unique symbol = Symbol("tokiwa.endpoint");

interface Tapped extends Socket {
  [ENDPOINT]: SocketEndpoint;
}

function push(this: Tapped, chunk: Uint8Array | null): boolean {
  return this[ENDPOINT].arrived(chunk);
}

function onError(this: Tapped, error: Error): void {
  this[ENDPOINT].failed(error);
}

function onClose(this: Tapped): void {
  this[ENDPOINT].gone();
}

export class SocketEndpoint extends HostEndpoint {
  readonly #socket: Socket;
  #onFlushed: (() => void) | undefined;

  constructor(given: NodeSocket) {
    super();
    const socket = (this.#socket = given as Socket);
    (socket as Tapped)[ENDPOINT] = this;
    socket.push = push;
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.unref();
  }

  get socket(): NodeSocket {
    return this.#socket;
  }

  // ---- called by the host

  arrived(chunk: Uint8Array | null): boolean {
    if (this.isClosed) {
      if (chunk === null) this.#pushOn(null);
      return true;                                         // nobody will read it; the peer is not held up
    }
    if (chunk === null) {
      this.hasEnded = true;
      if (this.queued === 0) this.drained();
      this.readGate.open();
      return false;
    }
    if (chunk.length === 0) return true;
    return this.received(chunk, chunk.length, true, true);
  }

  #pushOn(chunk: Uint8Array | null): boolean {
    return (Object.getPrototypeOf(this.#socket) as Socket).push.call(this.#socket, chunk);
  }

  /** Lets the host see the end, and clean up once both ends are done. Not before: what is unread may still be given back. */
  protected override drained(): void {
    this.#pushOn(null);
    this.#socket.resume();
  }

  failed(error: Error): void {
    this.fail(error);
    this.openGates();
  }

  gone(): void {
    if (this.failure === undefined && !(this.hasEnded && this.hasFinished)) this.isClosed = true;
    this.onGone?.();
    this.openGates();
  }

  // ---- what the base asks for

  protected start(): void {
    if (!this.#socket.destroyed) this.#socket._read(0);
  }

  protected send(bytes: Uint8Array): void {
    this.#socket.write(bytes, this.#flushed());
  }

  protected sendAll(pieces: readonly Uint8Array[]): void {
    const flushed = this.#flushed();
    const socket = this.#socket;
    socket.cork();
    for (const piece of pieces) if (piece.length > 0) socket.write(piece, flushed);
    socket.uncork();
  }

  #flushed(): () => void {
    this.#onFlushed ??= () => this.writeGate.open();
    return this.#onFlushed;
  }

  protected get unsent(): number {
    return this.#socket.writableLength;
  }

  protected end(): void {
    this.#socket.end(() => {
      this.hasFinished = this.#socket.writableFinished;
      this.writeGate.open();
    });
  }

  protected leave(isReset: boolean): void {
    const socket = this.#socket;
    if (isReset) socket.resetAndDestroy();
    else {
      socket.destroySoon();
      if (this.hasEnded) this.drained();
      else if (this.isStopped) this.start();
    }
  }

  protected get isGone(): boolean {
    return this.#socket.destroyed;
  }

  protected destroy(): void {
    this.#socket.destroy();
  }

  release(): NodeSocket {
    const socket = this.#socket;
    const rest = this.unreadChunks();
    this.isClosed = this.isShut = true;
    this.discard();
    delete (socket as Partial<Pick<Socket, "push">>).push;
    delete (socket as Partial<Tapped>)[ENDPOINT];
    socket.off("error", onError);
    socket.off("close", onClose);
    socket.ref();
    for (let i = rest.length - 1; i >= 0; i--) socket.unshift(rest[i] as Uint8Array);
    if (rest.length > 0 && this.hasEnded) socket.push(null);
    if (this.isStopped && !socket.destroyed) socket._read(0);
    this.openGates();
    return socket;
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, ms: number): void {
    this.#socket.setKeepAlive(on, ms);
  }

  get localAddr(): Addr {
    const { localAddress, localPort, destroyed } = this.#socket;
    return destroyed || localAddress === undefined ? NOWHERE : { host: localAddress, port: localPort ?? 0 };
  }

  get peerAddr(): Addr {
    const { remoteAddress, remotePort, destroyed } = this.#socket;
    return destroyed || remoteAddress === undefined ? NOWHERE : { host: remoteAddress, port: remotePort ?? 0 };
  }
}

/** Takes over a connected socket of the host, with what it has read already. */
export function adopt(given: NodeSocket, what: string): SocketEndpoint {
  const net = need("node:net", what);
  const socket = given as Socket;
  if (!(socket instanceof net.Socket)) throw new OptionError(`socket must be a net.Socket, got ${show(socket)}`);
  if (socket.destroyed || socket.connecting) throw new OptionError(`socket must be connected, got one that ${socket.destroyed ? "was destroyed" : "is connecting"}`);
  socket.allowHalfOpen = true;
  const early: Uint8Array[] = [];
  for (let chunk: unknown; (chunk = socket.read()) !== null; ) early.push(typeof chunk === "string" ? new TextEncoder().encode(chunk) : (chunk as Uint8Array));
  const endpoint = new SocketEndpoint(socket);
  for (const chunk of early) endpoint.arrived(chunk);
  if (socket.readableEnded) endpoint.arrived(null);
  else socket._read(0);
  return endpoint;
}
