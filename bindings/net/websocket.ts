// WebSocket client, over the host's own (or one passed in).
//
// The platform's WebSocket cannot be told to stop reading: messages that nobody has received wait here, and when
// they are more than `receiveLimit` bytes the connection is closed with 1009. Sending looks at
// `bufferedAmount`, which has no event: while it is above SEND_LIMIT a host timer looks again.

import { OptionError, TokiwaError } from "../errors.ts";
import { completed, type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { type HostTimer, startTimer, stopTimer } from "../host.ts";
import { checkInteger, checkOptions, checkSignal, show } from "../options.ts";
import { Gate } from "./gate.ts";
import { closedError } from "./io.ts";

const DEFAULT_RECEIVE_LIMIT = 16 * 1024 * 1024;
const SEND_LIMIT = 1 << 20;
const SEND_LOOK_MS = 4;
/** How long the peer may take to answer a close; the platform's own limits are longer, or none. */
const CLOSE_TIMEOUT_MS = 5000;
/** What a message costs besides its bytes: empty ones must not pile up either. */
const MESSAGE_COST = 32;
const TOO_BIG = 1009;
const NORMAL = 1000;
const NO_STATUS = 1005;
const GOING_AWAY = 1001;
const OPEN = 1;
const CLOSED = 3;

/** What is needed of a WebSocket class; the platform's and that of the package `ws` fit. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  send(data: string | ArrayBufferLike | ArrayBufferView): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: never) => void): void;
}

/** A constructor of WebSockets. */
export type WebSocketClass = new (url: string | URL, protocols?: string | string[]) => WebSocketLike;

/** Options of `WebSocketClient.connect()`. */
export interface WebSocketOptions {
  /** Subprotocols, in order of preference. */
  protocols?: string | string[];
  /** Closes the connection, also while it is being made. */
  signal?: AbortSignal;
  /** Bytes that may wait to be received before the connection is closed with 1009; default 16 MiB. */
  receiveLimit?: number;
  /** The class to use; default the host's own. Node 20 has none: pass that of the package `ws`. */
  WebSocket?: WebSocketClass;
}

class Core {
  readonly socket: WebSocketLike;
  readonly openGate = new Gate(true);
  readonly receiveGate = new Gate(true);
  readonly sendGate = new Gate(true);
  readonly closeGate = new Gate(true);
  readonly #limit: number;
  #queue: (string | Uint8Array)[] = [];
  #first = 0;
  #queuedBytes = 0;
  #failure: Error | undefined;
  #closeTimer: HostTimer | undefined;
  #sendTimer: HostTimer | undefined;
  #unlisten: (() => void) | undefined;
  hasOpened = false;
  isClosing = false;
  isClosed = false;
  code = NO_STATUS;
  /** The code we closed with: the peer's answer, no failure. */
  #asked: number | undefined;

  constructor(socket: WebSocketLike, limit: number, signal: AbortSignal | undefined) {
    this.socket = socket;
    this.#limit = limit;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      this.hasOpened = true;
      this.openGate.open();
    });
    socket.addEventListener("message", (event: { data: unknown }) => this.#arrived(event.data));
    socket.addEventListener("error", (event: { error?: unknown; message?: string }) => this.#errored(event));
    socket.addEventListener("close", (event: { code: number; reason: string }) => this.#gone(event.code, event.reason));
    if (signal !== undefined) {
      const abort = (): void => {
        this.#failure ??= new TokiwaError("TOKIWA_ABORTED", "the WebSocket was aborted by its signal", { cause: signal.reason });
        this.close(NORMAL, "aborted");
        this.#openAll();
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#unlisten = () => signal.removeEventListener("abort", abort);
    }
  }

  #arrived(data: unknown): void {
    if (this.isClosing) return;
    const message = typeof data === "string" ? data : toBytes(data);
    this.#queuedBytes += message.length + MESSAGE_COST;
    if (this.#queuedBytes > this.#limit) {
      this.#failure ??= new TokiwaError(
        "TOKIWA_RECEIVE_LIMIT",
        `more than ${this.#limit} bytes waited to be received, so the WebSocket was closed with 1009: receive faster, or raise receiveLimit`,
      );
      this.close(TOO_BIG, "receive limit");
    } else this.#queue.push(message);
    this.receiveGate.open();
  }

  #errored(event: { error?: unknown; message?: string }): void {
    const cause = event.error;
    const code = (cause as { code?: unknown } | undefined)?.code ?? (cause as { cause?: { code?: unknown } } | undefined)?.cause?.code;
    this.#failure ??= new TokiwaError(
      typeof code === "string" ? code : "TOKIWA_WEBSOCKET",
      `the WebSocket failed${event.message ? `: ${event.message}` : ""}`,
      { cause },
    );
    this.#openAll();
  }

  #gone(code: number, reason: string): void {
    if (this.isClosed) return;
    this.isClosed = this.isClosing = true;
    this.code = code;
    if (code !== NORMAL && code !== NO_STATUS && code !== GOING_AWAY && code !== this.#asked) {
      this.#failure ??= new TokiwaError("TOKIWA_WEBSOCKET", `the WebSocket was closed with code ${code}${reason ? ` (${reason})` : ""}`);
    }
    this.#unlisten?.();
    if (this.#closeTimer !== undefined) stopTimer(this.#closeTimer);
    if (this.#sendTimer !== undefined) stopTimer(this.#sendTimer);
    this.#openAll();
  }

  #openAll(): void {
    this.openGate.open();
    this.receiveGate.open();
    this.sendGate.open();
    this.closeGate.open();
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** A message; undefined at the end, PENDING when none has come. */
  take(): string | Uint8Array | undefined | typeof PENDING {
    if (this.#first < this.#queue.length) {
      const message = this.#queue[this.#first] as string | Uint8Array;
      this.#queue[this.#first++] = "";
      this.#queuedBytes -= message.length + MESSAGE_COST;
      if (this.#first === this.#queue.length) this.#queue.length = this.#first = 0;
      return message;
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.isClosing ? undefined : PENDING;
  }

  /** False while too much is buffered; the gate opens when it may be tried again. */
  hasRoom(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.isClosing || this.socket.readyState !== OPEN) throw closedError("cannot send: the WebSocket was closed");
    return this.socket.bufferedAmount < SEND_LIMIT;
  }

  lookAgain(): void {
    this.#sendTimer ??= startTimer(() => {
      this.#sendTimer = undefined;
      this.sendGate.open();
    }, SEND_LOOK_MS);
  }

  close(code: number | undefined, reason: string | undefined): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#asked = code;
    closeSocket(this.socket, code, reason);
    if (this.socket.readyState === CLOSED) this.#gone(code ?? NO_STATUS, reason ?? "");
    else {
      this.#closeTimer = startTimer(() => this.#gone(1006, "the peer did not answer the close"), CLOSE_TIMEOUT_MS);
      (this.#closeTimer as { unref?: () => void }).unref?.();
    }
    this.receiveGate.open();
  }
}

/** Pages allow only 1000 and 3000 to 4999: what the platform refuses is sent as 4000 plus the last three digits (1009: 4009). */
function closeSocket(socket: WebSocketLike, code: number | undefined, reason: string | undefined): void {
  try {
    socket.close(code, reason);
  } catch {
    socket.close(code === undefined ? undefined : 4000 + (code % 1000), reason);
  }
}

function toBytes(data: unknown): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new TextEncoder().encode(String(data));
}

/**
 * A WebSocket: messages as strings or bytes.
 *
 * @example
 * const socket = await WebSocketClient.connect("ws://127.0.0.1:8080/chat");
 * await socket.send("hello");
 * for await (const message of socket) console.log(message);
 */
export class WebSocketClient implements AsyncIterable<string | Uint8Array>, Disposable {
  readonly #core: Core;

  /** @internal use `connect()` */
  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Connects and waits until the connection is open. Cancel safe: dropping it closes the socket.
   *
   * @throws {TokiwaError} `TOKIWA_UNSUPPORTED` where there is no WebSocket and none was passed; `TOKIWA_WEBSOCKET` or the
   *   host's code when it fails (browsers do not say why)
   */
  static connect(url: string | URL, options?: WebSocketOptions): Future<WebSocketClient> {
    const { protocols, signal, receiveLimit, WebSocket: given } = checkOptions<WebSocketOptions>("options", options);
    const limit = receiveLimit === undefined ? DEFAULT_RECEIVE_LIMIT : checkInteger("receiveLimit", receiveLimit, 1, Number.MAX_SAFE_INTEGER);
    if (signal !== undefined) checkSignal("signal", signal);
    if (given !== undefined && typeof given !== "function") throw new OptionError(`WebSocket must be a class, got ${show(given)}`);
    const parsed = checkUrl(url);
    if (protocols !== undefined) checkProtocols(protocols);
    const make = given ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
    if (make === undefined) {
      throw new TokiwaError("TOKIWA_UNSUPPORTED", "this host has no WebSocket: pass one as the option WebSocket, such as that of the package ws");
    }
    return new Opening(() => {
      if (signal?.aborted) throw new TokiwaError("TOKIWA_ABORTED", "the WebSocket was aborted by its signal", { cause: signal.reason });
      return new Core(new make(parsed, protocols), limit, signal);
    });
  }

  /**
   * Sends a message. Waits first while more than 1 MiB is still to go out. Cancel safe: dropped while pending, nothing was sent.
   *
   * @throws {TokiwaError} `TOKIWA_CLOSED` when the connection is closed
   */
  send(message: string | Uint8Array): Future<void> {
    if (typeof message !== "string" && !(message instanceof Uint8Array)) throw new OptionError(`message must be a string or a Uint8Array, got ${show(message)}`);
    return new Send(this.#core, message);
  }

  /**
   * The next message; undefined after the connection was closed in good order. Cancel safe.
   *
   * @throws {TokiwaError} `TOKIWA_RECEIVE_LIMIT` when too much waited (what had come before can still be received),
   *   `TOKIWA_WEBSOCKET` when the connection broke
   */
  recv(): Future<string | Uint8Array | undefined> {
    return new Recv(this.#core);
  }

  /**
   * Closes the connection, and waits for the peer's answer, 5 s at most. Begins at the call.
   *
   * @param code 1000 or 3000 to 4999; default none
   * @param reason at most 123 bytes
   */
  close(code?: number, reason?: string): Future<void> {
    if (code !== undefined && code !== NORMAL) checkInteger("code", code, 3000, 4999);
    if (reason !== undefined && (typeof reason !== "string" || new TextEncoder().encode(reason).length > 123)) {
      throw new OptionError(`reason must be a string of at most 123 bytes, got ${show(reason)}`);
    }
    this.#core.close(reason !== undefined ? (code ?? NORMAL) : code, reason);
    return new Closing(this.#core);
  }

  /** The subprotocol the server chose, or "". */
  get protocol(): string {
    return this.#core.socket.protocol;
  }

  [Symbol.dispose](): void {
    this.#core.close(undefined, undefined);
  }

  /** Every message until the connection is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string | Uint8Array, void, undefined> {
    for (let message; (message = await this.recv()) !== undefined; ) yield message;
  }
}

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

function checkProtocols(protocols: unknown): void {
  const names: unknown[] = Array.isArray(protocols) ? protocols : [protocols];
  const wrong = names.find((name, at) => typeof name !== "string" || !TOKEN.test(name) || names.indexOf(name) !== at);
  if (wrong !== undefined || names.includes(undefined)) throw new OptionError(`protocols must be different names without spaces, got ${show(wrong)}`);
}

function checkUrl(url: unknown): string {
  let parsed: URL;
  try {
    parsed = new URL(String(url), (globalThis as { location?: { href: string } }).location?.href);
  } catch (cause) {
    throw new OptionError(`url must be a ws: or wss: address, got ${show(url)}`, { cause });
  }
  if (!/^(?:ws|http)s?:$/.test(parsed.protocol)) throw new OptionError(`url must be a ws: or wss: address, got ${show(url)}`);
  parsed.protocol = parsed.protocol.replace("http", "ws");
  return parsed.href;
}

class Opening extends Operation<WebSocketClient> {
  #make: (() => Core) | undefined;
  #core: Core | undefined;

  constructor(make: () => Core) {
    super();
    this.#make = make;
  }

  poll(waker: Waker): WebSocketClient | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    if (this.#core === undefined) {
      const make = this.#make;
      if (make === undefined) completed();
      this.#make = undefined;
      this.#core = make();
    }
    const core = this.#core;
    if (core.hasOpened) {                                  // and perhaps failed since: recv() tells, after what came before
      this.#core = undefined;
      return new WebSocketClient(core);
    }
    if (core.failure !== undefined) throw core.failure;
    if (core.isClosing) throw closedError("the WebSocket was closed before it was open");
    core.openGate.wait(this, waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#make = undefined;
    this.#core?.openGate.forget(this);
    this.#core?.close(undefined, undefined);
    this.#core = undefined;
  }

  override describe(): string {
    return "a WebSocket to open";
  }
}

class Send extends Operation<void> {
  readonly #core: Core;
  #message: string | Uint8Array | undefined;

  constructor(core: Core, message: string | Uint8Array) {
    super();
    this.#core = core;
    this.#message = message;
  }

  poll(waker: Waker): void | typeof PENDING {
    const message = this.#message;
    if (message === undefined) completed();
    if (!proceed(waker)) return PENDING;
    const core = this.#core;
    core.sendGate.enter(this, "send");
    if (core.hasRoom()) {
      this.#message = undefined;
      core.socket.send(message);
      return undefined;
    }
    core.sendGate.wait(this, waker);
    core.lookAgain();
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#core.sendGate.forget(this);
  }

  override describe(): string {
    return "room in a WebSocket";
  }
}

class Recv extends Operation<string | Uint8Array | undefined> {
  readonly #core: Core;

  constructor(core: Core) {
    super();
    this.#core = core;
  }

  poll(waker: Waker): string | Uint8Array | undefined | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const core = this.#core;
    core.receiveGate.enter(this, "receive");
    const message = core.take();
    if (message !== PENDING) return message;
    core.receiveGate.wait(this, waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#core.receiveGate.forget(this);
  }

  override describe(): string {
    return "a WebSocket message";
  }
}

class Closing extends Operation<void> {
  readonly #core: Core;

  constructor(core: Core) {
    super();
    this.#core = core;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    if (this.#core.isClosed) return undefined;
    this.#core.closeGate.enter(this, "close");
    this.#core.closeGate.wait(this, waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#core.closeGate.forget(this);
  }

  override describe(): string {
    return "a WebSocket to close";
  }
}
