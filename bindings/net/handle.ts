// A connection that Node has accepted, without the streams of node:net around it.
//
// `net.Server` gives each connection to `onconnection` of its handle as a handle of libuv, and wraps it in a net.Socket
// there: two stream states, a dozen listeners and three ticks for a connection that lives for one request. This is
// the same handle with none of that. An accepted, answered and closed connection costs less than half.
//
//   read   one buffer per thread (`useUserBuffer`, what the option `onread` of net.connect() uses) takes the bytes of
//          every connection, and they are copied at once: into the buffer of the read that waits, or to a chunk.
//          No allocation of 64 KiB for each read.
//   write  the system call is made in `send()`. Only what the kernel does not take makes a request, which holds the
//          bytes until they are through.
//   close  shutdown(2) after the writes under way, then close(2): the peer sees the end, also when it had sent more.
//
// A connection made by `connect()` gives up its net.Socket as soon as it stands, and goes on as a handle.
//
// These calls are Node's own and not for others to use, so they are used only in the releases that the tests
// run in (KNOWN_MAJORS), and only if everything is there. All other hosts and releases, TLS and `fromNode()` go
// through node:net (socket.ts): the same behaviour, tested by the same tests. `release()` makes the net.Socket late.

import type { Socket } from "node:net";
import { builtinModule, internalBinding, nodeMajor } from "../host.ts";
import type { Addr } from "./address.ts";
import { HostEndpoint, NOWHERE } from "./host-endpoint.ts";
import { need } from "./modules.ts";
import type { NodeSocket } from "./node-types.ts";
import { SocketEndpoint } from "./socket.ts";

const KNOWN_MAJORS = new Set([20, 22, 24, 26]);
/** Bytes of one read at most: libuv's own measure. */
const READ_BYTES = 65_536;
const UV_EOF = -4095;

const ENDPOINT: unique symbol = Symbol("tokiwa.endpoint");

/** A write or shutdown that the host finishes later. */
interface Request {
  oncomplete: (this: Request, status: number) => void;
  endpoint: HandleEndpoint;
  handle: Handle;
  /** Keeps the bytes alive. */
  buffer: unknown;
  bytes: number;
  /** Node 26: the outcome, when it was there before `oncomplete` was. */
  writeStatus?: number | null;
}

/** TCP or Pipe of Node. Calls return 0 or a negative error number. */
export interface Handle {
  [ENDPOINT]: HandleEndpoint;
  onread: (this: Handle) => void;
  reading: boolean;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: Request | null, bytes: Uint8Array): number | Request;
  writev(request: Request | null, pieces: Uint8Array[], areBuffers: true): number | Request;
  shutdown(request: Request): number;
  close(): void;
  ref(): void;
  unref(): void;
  reset?(): number;
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, seconds: number): number;
  getsockname?(out: { address?: string; port?: number }): number;
  getpeername?(out: { address?: string; port?: number }): number;
}

/** The handle of a net.Server. */
export interface ServerHandle extends Handle {
  onconnection: (this: ServerHandle, status: number, client: Handle) => void;
}

interface StreamBinding {
  WriteWrap: new () => Request;
  ShutdownWrap: new () => Request;
  /** Outcome of the last call or callback, by the indices below. */
  streamBaseState: Int32Array;
  kReadBytesOrError: number;
  kBytesWritten: number;
  kLastWriteWasAsync: number;
  /** Since Node 26: then writes make their request themselves, and return it if there is one. */
  kLastWriteErr?: number;
}

const METHODS = ["useUserBuffer", "readStart", "readStop", "writeBuffer", "writev", "shutdown", "close", "ref", "unref"] as const;
const NUMBERS = ["kReadBytesOrError", "kBytesWritten", "kLastWriteWasAsync"] as const;

let binding: StreamBinding | undefined;
let isLookedUp = false;
let shared: Uint8Array;
let state: Int32Array;
let countAt: number;
let writtenAt: number;
let isAsyncAt: number;
/** -1 before Node 26. */
let errorAt = -1;

function look(): void {
  isLookedUp = true;
  if (!KNOWN_MAJORS.has(nodeMajor)) return;
  const found = internalBinding<StreamBinding>("stream_wrap");
  if (found === undefined || !(found.streamBaseState instanceof Int32Array)) return;
  if (typeof found.WriteWrap !== "function" || typeof found.ShutdownWrap !== "function") return;
  if (NUMBERS.some((name) => typeof found[name] !== "number")) return;
  binding = found;
  state = found.streamBaseState;
  countAt = found.kReadBytesOrError;
  writtenAt = found.kBytesWritten;
  isAsyncAt = found.kLastWriteWasAsync;
  if (found.kLastWriteErr !== undefined) errorAt = found.kLastWriteErr;
  shared = new Uint8Array(READ_BYTES);
}

/** Has a handle, if it is a server or a socket of node:net. */
interface Wrapper {
  _handle?: Partial<ServerHandle> | null;
}

function knownHandle(given: object): Partial<ServerHandle> | undefined {
  if (!isLookedUp) look();
  const handle = (given as Wrapper)._handle;
  if (binding === undefined || handle == null) return undefined;
  return METHODS.every((name) => typeof handle[name] === "function") ? handle : undefined;
}

/** The handle of a server that hands out connections this file can serve, if it is one. */
export function serverHandle(server: object): ServerHandle | undefined {
  const handle = knownHandle(server);
  return typeof handle?.onconnection === "function" ? (handle as ServerHandle) : undefined;
}

/** A socket that has just connected, and that nobody else knows. */
export function connectedEndpoint(socket: Socket): HostEndpoint {
  const handle = knownHandle(socket) as Handle | undefined;
  if (handle === undefined) return new SocketEndpoint(socket);
  (socket as Wrapper)._handle = null;
  return new HandleEndpoint(handle);
}

/** The error of a system call, as the host makes it. */
export function systemError(status: number, call: string): NodeJS.ErrnoException {
  const code = builtinModule<{ getSystemErrorName(status: number): string }>("node:util")?.getSystemErrorName(status) ?? "UNKNOWN";
  return Object.assign(new Error(`${call} ${code}`), { errno: status, code, syscall: call });
}

function onRead(this: Handle): void {
  this[ENDPOINT].arrived(state[countAt] as number);
}

function onWritten(this: Request, status: number): void {
  this.buffer = undefined;
  this.endpoint.written(status, this.bytes);
}

function onShutdown(this: Request, status: number): void {
  this.endpoint.ended(status);
}

/** A request that no write has needed yet. */
let spare: Request | undefined;

function request(): Request {
  spare ??= new (binding as StreamBinding).WriteWrap();
  return spare;
}

export class HandleEndpoint extends HostEndpoint {
  readonly #handle: Handle;
  protected unsent = 0;
  protected isGone = false;

  constructor(handle: Handle) {
    super();
    this.#handle = handle;
    handle[ENDPOINT] = this;
    handle.onread = onRead;
    handle.useUserBuffer(shared);
    handle.unref();
    handle.readStart();
  }

  // ---- called by the host

  arrived(count: number): void {
    if (count > 0) {
      if (this.isClosed) return;                           // nobody will read it; the peer is not held up
      // Of a full buffer there is more: libuv reads again when the microtasks are through, so the reader runs now.
      if (!this.received(shared, count, false, count < READ_BYTES)) this.#handle.readStop();
      return;
    }
    if (count === 0) return;
    if (count !== UV_EOF) {
      this.#failed(count, "read");
      return;
    }
    this.hasEnded = true;
    if (this.hasFinished) this.destroy();
    this.readGate.open();
  }

  written(status: number, bytes: number): void {
    if (status < 0) this.#failed(status, "write");
    this.unsent -= bytes;
    this.writeGate.open();
  }

  ended(status: number): void {
    if (this.isGone) return;
    if (this.isClosed) {
      this.destroy();
      return;
    }
    if (status < 0) {
      this.#failed(status, "shutdown");
      return;
    }
    this.hasFinished = true;
    if (this.hasEnded) this.destroy();
    this.writeGate.open();
  }

  #failed(status: number, call: string): void {
    if (this.isGone) return;
    this.fail(systemError(status, call));
    this.destroy();
    this.openGates();
  }

  // ---- what the base asks for

  protected start(): void {
    if (!this.isGone) this.#handle.readStart();
  }

  protected send(bytes: Uint8Array): void {
    if (errorAt >= 0) this.#dispatched(this.#handle.writeBuffer(null, bytes), bytes);
    else {
      const status = this.#handle.writeBuffer(request(), bytes) as number;
      if (status === 0 && state[isAsyncAt] !== 0) this.#underWay(request(), bytes);
      else if (status !== 0) this.#failed(status, "write");
    }
  }

  protected sendAll(pieces: readonly Uint8Array[]): void {
    const filled = pieces.filter((piece) => piece.length > 0);
    if (filled.length === 0) return;
    if (filled.length === 1) {
      this.send(filled[0] as Uint8Array);
      return;
    }
    if (errorAt >= 0) this.#dispatched(this.#handle.writev(null, filled, true), filled);
    else {
      const status = this.#handle.writev(request(), filled, true) as number;
      if (status === 0 && state[isAsyncAt] !== 0) this.#underWay(request(), filled);
      else if (status !== 0) this.#failed(status, "write");
    }
  }

  /** Node 26: a number when it is through or has failed, else the request. */
  #dispatched(outcome: number | Request, buffer: unknown): void {
    if (typeof outcome === "number") {
      if (outcome !== 0) this.#failed(outcome, "write");
      return;
    }
    const status = state[errorAt] as number;
    if (status !== 0) {
      this.#failed(status, "write");
      return;
    }
    this.#underWay(outcome, buffer);
    const early = outcome.writeStatus;
    if (typeof early !== "number") return;
    outcome.writeStatus = null;
    outcome.oncomplete(early);
  }

  #underWay(request: Request, buffer: unknown): void {
    if (request === spare) spare = undefined;
    const bytes = state[writtenAt] as number;
    request.oncomplete = onWritten;
    request.endpoint = this;
    request.handle = this.#handle;
    request.buffer = buffer;
    request.bytes = bytes;
    this.unsent += bytes;
  }

  protected end(): void {
    const request = new (binding as StreamBinding).ShutdownWrap();
    request.oncomplete = onShutdown;
    request.endpoint = this;
    request.handle = this.#handle;
    const status = this.isGone ? 1 : this.#handle.shutdown(request);
    if (status !== 0) this.ended(0);                       // there is no connection to end any more
  }

  protected leave(isReset: boolean): void {
    if (this.isGone) return;
    if (isReset) {
      if (this.#handle.reset === undefined) this.destroy();
      else {
        this.isGone = true;
        this.#handle.reset();
      }
      return;
    }
    if (this.hasFinished) {
      this.destroy();
      return;
    }
    if (!this.isShut) this.end();
    if (this.isStopped) this.start();
  }

  protected destroy(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#handle.close();
    this.onGone?.();
  }

  release(): NodeSocket {
    const net = need("node:net", "toNode()");
    const { hasEnded, isGone, isStopped } = this;
    const isShut = this.isShut && !this.isClosed;
    const rest = this.unreadChunks();
    const handle = this.#handle;
    this.isClosed = this.isShut = this.isGone = true;
    this.discard();
    this.openGates();
    if (isGone) return new net.Socket().destroy();
    handle.reading = !isStopped && !hasEnded;
    const onread = { buffer: shared, callback: (count: number, buffer: Uint8Array): boolean => socket.push(buffer.slice(0, count)) };
    const options = { handle, allowHalfOpen: true, manualStart: true, readable: true, writable: true, onread };
    const socket: Socket = new net.Socket(options as object);
    handle.ref();
    for (const chunk of rest) socket.push(chunk);
    if (hasEnded) socket.push(null);
    if (isShut) socket.end();
    return socket;
  }

  setNoDelay(on: boolean): void {
    if (!this.isGone) this.#handle.setNoDelay?.(on);
  }

  setKeepAlive(on: boolean, ms: number): void {
    if (!this.isGone) this.#handle.setKeepAlive?.(on, Math.trunc(ms / 1000));
  }

  get localAddr(): Addr {
    return this.#address("getsockname");
  }

  get peerAddr(): Addr {
    return this.#address("getpeername");
  }

  #address(name: "getsockname" | "getpeername"): Addr {
    if (this.isGone) return NOWHERE;
    const out: { address?: string; port?: number } = {};
    this.#handle[name]?.(out);
    return out.address === undefined ? NOWHERE : { host: out.address, port: out.port ?? 0 };
  }
}
