// UDP.
//
// The host delivers datagrams by events and cannot be told to stop. What nobody has received waits
// here up to QUEUE_LIMIT bytes; beyond that the newest is lost, as it would be in the kernel.

import type { RemoteInfo, Socket } from "node:dgram";
import { completed, type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { type Addr, checkAddr, checkBytes, checkInto } from "./address.ts";
import { Gate } from "./gate.ts";
import { HostCall } from "./host-call.ts";
import { closedError, NOTHING } from "./io.ts";
import { need } from "./modules.ts";
import type { NodeDatagramSocket } from "./node-types.ts";

const QUEUE_LIMIT = 1 << 20;
/** What a queued datagram costs besides its bytes: empty ones must not pile up either. */
const DATAGRAM_COST = 128;

interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: { readonly address: string; readonly port: number };
}

/**
 * A UDP socket.
 *
 * @example
 * const socket = await UdpSocket.bind({ host: "127.0.0.1", port: 0 });
 * const buffer = new Uint8Array(1500);
 * const [length, from] = await socket.recvFrom(buffer);
 * await socket.sendTo(buffer.subarray(0, length), from);
 */
export class UdpSocket implements Disposable {
  readonly #socket: Socket;
  readonly #gate = new Gate(true);
  #queue: Datagram[] = [];
  #first = 0;
  #queuedBytes = 0;
  #failure: Error | undefined;
  #isClosed = false;

  /** @internal use `bind()` */
  constructor(given: NodeDatagramSocket) {
    const socket = (this.#socket = given as Socket);
    socket.on("message", (bytes: Uint8Array, from: RemoteInfo) => {
      const cost = bytes.length + DATAGRAM_COST;
      if (this.#queuedBytes + cost > QUEUE_LIMIT) return;
      this.#queuedBytes += cost;
      this.#queue.push({ bytes, from });
      this.#gate.open();
    });
    socket.on("error", (error: Error) => {
      this.#failure = error;
      this.#gate.open();
    });
    socket.unref();
  }

  /**
   * Binds a socket; the family follows from the host. Cancel safe.
   *
   * @param addr `port` 0 lets the system choose; `host` default: every IPv4 address of this machine
   * @throws the host's error: `EADDRINUSE`, `EACCES`, ...
   */
  static bind(addr: { host?: string; port: number }): Future<UdpSocket> {
    need("node:dgram", "UdpSocket.bind()");
    return new UdpBind(checkAddr(addr, "0.0.0.0"));
  }

  /** Sets the only peer: `send()` goes there, and nothing from elsewhere is received. */
  connect(addr: Addr): Future<void> {
    return new UdpConnect(this, checkAddr(addr, "127.0.0.1"));
  }

  /** @internal */
  connectNow(addr: Addr, done: (error?: Error) => void): void {
    const socket = this.#socket;
    this.checkOpen();
    try {
      socket.disconnect();
    } catch {
      // was not connected
    }
    socket.connect(addr.port, addr.host, done as () => void);
  }

  /** Sends to the peer given to `connect()`. Resolves with the bytes sent. Leave `bytes` alone until then; dropped while pending, they are still sent. */
  send(bytes: Uint8Array): Future<number> {
    return new UdpSend(this, checkBytes(bytes), undefined);
  }

  /** Sends one datagram to `addr`. Otherwise as `send()`. */
  sendTo(bytes: Uint8Array, addr: Addr): Future<number> {
    return new UdpSend(this, checkBytes(bytes), checkAddr(addr, "127.0.0.1"));
  }

  /** The next datagram; what does not fit into the buffer is lost, as with every UDP socket. Cancel safe. */
  recv(into: Uint8Array): Future<number> {
    return new UdpRecv<number>(this, checkInto(into), false);
  }

  /** As `recv()`, with the sender's address. */
  recvFrom(into: Uint8Array): Future<[number, Addr]> {
    return new UdpRecv<[number, Addr]>(this, checkInto(into), true);
  }

  /** @internal */
  get socket(): NodeDatagramSocket {
    return this.#socket;
  }

  /** @internal */
  get gate(): Gate {
    return this.#gate;
  }

  /** @internal */
  checkOpen(): void {
    if (this.#isClosed) throw closedError("the UDP socket was closed");
  }

  /** @internal A datagram, or NOTHING. */
  take(): Datagram | typeof NOTHING {
    this.checkOpen();
    if (this.#first < this.#queue.length) {
      const datagram = this.#queue[this.#first] as Datagram;
      this.#queuedBytes -= datagram.bytes.length + DATAGRAM_COST;
      if (++this.#first === this.#queue.length) this.#queue = [];
      else if (this.#first === 1024) this.#queue = this.#queue.slice(this.#first);
      else return datagram;
      this.#first = 0;
      return datagram;
    }
    const failure = this.#failure;
    this.#failure = undefined;                             // one refused datagram does not end the socket
    if (failure !== undefined) throw failure;
    return NOTHING;
  }

  /** Our own address; port 0 once it is closed. */
  get localAddr(): Addr {
    if (this.#isClosed) return { host: "", port: 0 };
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  /** Closes it; a pending receive fails with `TOKIWA_CLOSED`. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue = [];
    this.#first = 0;
    this.#socket.close();
    this.#gate.open();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

type Found = (error: Error | null, address: string, family: number) => void;

/** The host looks at every address of every datagram, and takes a tick for that; numbers need none. */
function lookup(host: string, options: object, found: Found): void {
  const family = need("node:net", "UDP").isIP(host);
  if (family !== 0) found(null, host, family);
  else need("node:dns", "UDP").lookup(host, options, found as never);
}

class UdpBind extends HostCall<UdpSocket> {
  readonly #addr: Addr;

  constructor(addr: Addr) {
    super();
    this.#addr = addr;
  }

  protected start(): void {
    const { host, port } = this.#addr;
    const socket = need("node:dgram", "UdpSocket.bind()").createSocket({ type: host.includes(":") ? "udp6" : "udp4", lookup });
    const onError = (error: Error): void => {
      socket.close();
      this.settle({ error });
    };
    socket.once("error", onError);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off("error", onError);
      if (this.isOver) socket.close();
      else this.settle({ value: new UdpSocket(socket) });
    });
  }

  protected override unclaimed(socket: UdpSocket): void {
    socket.close();
  }

  override describe(): string {
    return "a UDP socket to be bound";
  }
}

class UdpConnect extends HostCall<void> {
  readonly #socket: UdpSocket;
  readonly #addr: Addr;

  constructor(socket: UdpSocket, addr: Addr) {
    super();
    this.#socket = socket;
    this.#addr = addr;
  }

  protected start(): void {
    this.#socket.connectNow(this.#addr, (error) => this.settle(typeof error === "object" ? { error } : { value: undefined }));   // in a vm context (Jest) it is no Error of ours
  }
}

class UdpSend extends HostCall<number> {
  readonly #socket: UdpSocket;
  readonly #bytes: Uint8Array;
  readonly #addr: Addr | undefined;

  constructor(socket: UdpSocket, bytes: Uint8Array, addr: Addr | undefined) {
    super();
    this.#socket = socket;
    this.#bytes = bytes;
    this.#addr = addr;
  }

  protected start(): void {
    this.#socket.checkOpen();
    const done = (error: Error | null, sent: number): void => this.settle(error === null || error === undefined ? { value: sent } : { error });
    const socket = this.#socket.socket as Socket;
    if (this.#addr === undefined) socket.send(this.#bytes, done);
    else socket.send(this.#bytes, this.#addr.port, this.#addr.host, done);
  }

  override describe(): string {
    return "a datagram to be sent";
  }
}

class UdpRecv<T> extends Operation<T> {
  readonly #socket: UdpSocket;
  #into: Uint8Array | undefined;
  readonly #withSender: boolean;

  constructor(socket: UdpSocket, into: Uint8Array, withSender: boolean) {
    super();
    this.#socket = socket;
    this.#into = into;
    this.#withSender = withSender;
  }

  poll(waker: Waker): T | typeof PENDING {
    const into = this.#into;
    if (into === undefined) completed();
    if (!proceed(waker)) return PENDING;
    const { gate } = this.#socket;
    const datagram = this.#socket.take();
    if (datagram === NOTHING) {
      gate.wait(this, waker);
      restore();
      return PENDING;
    }
    this.#into = undefined;
    const { bytes, from } = datagram;
    const count = Math.min(bytes.length, into.length);
    into.set(count < bytes.length ? bytes.subarray(0, count) : bytes);
    return (this.#withSender ? [count, { host: from.address, port: from.port }] : count) as T;
  }

  override [Symbol.dispose](): void {
    this.#socket.gate.forget(this);
  }

  override describe(): string {
    return "a datagram";
  }
}
