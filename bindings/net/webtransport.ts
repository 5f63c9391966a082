// WebTransport, where the host has it (pages over HTTP/3; Node has none): its streams as readers and writers.
//
// The host's streams push back by themselves, so nothing is queued here. Whatever else the host offers (datagrams,
// one-way streams) is reached through `transport`.

import { OptionError, TokiwaError } from "../errors.ts";
import { completed, type Future, Operation, PENDING, type Waker } from "../future.ts";
import { checkInteger, checkOptions, show } from "../options.ts";
import { fromPromise } from "../task/promise.ts";
import type { Reader, Writer } from "./io.ts";
import { WebReader, WebWriter } from "./web-streams.ts";

interface BidirectionalStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** What is needed of the host's WebTransport. */
export interface WebTransportLike {
  readonly ready: Promise<unknown>;
  readonly closed: Promise<unknown>;
  readonly incomingBidirectionalStreams: ReadableStream<BidirectionalStream>;
  createBidirectionalStream(): Promise<BidirectionalStream>;
  close(info?: { closeCode?: number; reason?: string }): void;
}

/** A constructor of WebTransports. */
export type WebTransportClass = new (url: string, options?: object) => WebTransportLike;

/** Options of `WebTransportClient.connect()`; every other one of the host's is passed on. */
export interface WebTransportOptions {
  /** Hashes of certificates to trust instead of the system's authorities. */
  serverCertificateHashes?: readonly { algorithm: string; value: Uint8Array }[];
  /** The class to use; default the host's own. */
  WebTransport?: WebTransportClass;
  [option: string]: unknown;
}

/** A stream in both directions over a WebTransport. */
export class WebTransportStream implements Reader, Writer, Disposable {
  readonly #reader: WebReader;
  readonly #writer: WebWriter;

  /** @internal */
  constructor({ readable, writable }: BidirectionalStream) {
    this.#reader = new WebReader(readable);
    this.#writer = new WebWriter(writable);
  }

  /** What is there, at least one byte; 0 at the end. Cancel safe. */
  read(into: Uint8Array): Future<number> {
    return this.#reader.read(into);
  }

  /** Writes a copy of all bytes once there is room. Cancel safe. */
  write(bytes: Uint8Array): Future<number> {
    return this.#writer.write(bytes);
  }

  /** Waits until there is room again. */
  flush(): Future<void> {
    return this.#writer.flush();
  }

  /** Sends the end; reading goes on. */
  shutdown(): Future<void> {
    return this.#writer.shutdown();
  }

  /** Reads no more, and sends the end. */
  close(): void {
    this.#reader.close();
    void this.#writer.shutdown().then(undefined, () => {});
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A WebTransport connection.
 *
 * @example
 * using client = await WebTransportClient.connect("https://example.org:4433/chat");
 * const stream = await client.openStream();
 * await stream.write(new TextEncoder().encode("hello\n"));
 * console.log(await new BufReader(stream).readLine());
 */
export class WebTransportClient implements Disposable {
  /** The host's object, for its datagrams and one-way streams. */
  readonly transport: WebTransportLike;
  #incoming: ReadableStreamDefaultReader<BidirectionalStream> | undefined;
  /** The host's read, which outlives an accept that was dropped. */
  #next: Future<ReadableStreamReadResult<BidirectionalStream>> | undefined;

  /** @internal use `connect()` */
  constructor(transport: WebTransportLike) {
    this.transport = transport;
  }

  /**
   * Connects. Cancel safe: dropping it closes the connection.
   *
   * @throws {TokiwaError} `TOKIWA_UNSUPPORTED` where there is no WebTransport and none was passed; `TOKIWA_WEBTRANSPORT` when it fails
   */
  static connect(url: string | URL, options?: WebTransportOptions): Future<WebTransportClient> {
    const { WebTransport: given, ...others } = checkOptions<WebTransportOptions>("options", options);
    if (given !== undefined && typeof given !== "function") throw new OptionError(`WebTransport must be a class, got ${show(given)}`);
    const address = checkAddress(url);
    const make = given ?? (globalThis as { WebTransport?: WebTransportClass }).WebTransport;
    if (make === undefined) throw new TokiwaError("TOKIWA_UNSUPPORTED", "this host has no WebTransport: use a WebSocketClient, or pass a class as the option WebTransport");
    return new Opening(address, () => new make(address, others));
  }

  /** Opens a stream in both directions. The peer hears of it with the first bytes. */
  openStream(): Future<WebTransportStream> {
    return new OpenStream(this.transport);
  }

  /** The next stream that the peer opens, undefined when the connection is closed. Cancel safe. */
  acceptStream(): Future<WebTransportStream | undefined> {
    return new AcceptStream(this);
  }

  /** @internal */
  take(waker: Waker): WebTransportStream | undefined | typeof PENDING {
    this.#incoming ??= this.transport.incomingBidirectionalStreams.getReader();
    this.#next ??= fromPromise(this.#incoming.read());
    const result = this.#next.poll(waker);
    if (result === PENDING) return PENDING;
    this.#next = undefined;
    return result.done ? undefined : new WebTransportStream(result.value);
  }

  /**
   * Closes the connection and all of its streams, at once. Idempotent.
   *
   * @param code for the peer, 0 to 2^32 - 1; default 0
   */
  close(code?: number, reason?: string): void {
    const closeCode = code === undefined ? 0 : checkInteger("code", code, 0, 0xffff_ffff);
    if (reason !== undefined && typeof reason !== "string") throw new OptionError(`reason must be a string, got ${show(reason)}`);
    closeQuietly(this.transport, { closeCode, reason: reason ?? "" });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function checkAddress(url: unknown): string {
  let parsed: URL | undefined;
  try {
    parsed = new URL(String(url));
  } catch {
    // no address at all
  }
  if (parsed?.protocol !== "https:") throw new OptionError(`url must be an https: address, got ${show(url)}`);
  return parsed.href;
}

function closeQuietly(transport: WebTransportLike, info?: { closeCode: number; reason: string }): void {
  try {
    transport.close(info);
  } catch {
    // it has failed or was closed
  }
}

class Opening extends Operation<WebTransportClient> {
  readonly #url: string;
  #make: (() => WebTransportLike) | undefined;
  #transport: WebTransportLike | undefined;
  #ready: Future<unknown> | undefined;

  constructor(url: string, make: () => WebTransportLike) {
    super();
    this.#url = url;
    this.#make = make;
  }

  poll(waker: Waker): WebTransportClient | typeof PENDING {
    if (this.#ready === undefined) this.#start();
    const transport = this.#transport;
    if (transport === undefined) completed();
    try {
      if ((this.#ready as Future<unknown>).poll(waker) === PENDING) return PENDING;
    } catch (cause) {
      this.#transport = undefined;
      throw new TokiwaError("TOKIWA_WEBTRANSPORT", `the WebTransport to ${this.#url} failed: ${(cause as Error)?.message ?? cause}`, { cause });
    }
    this.#transport = undefined;
    return new WebTransportClient(transport);
  }

  #start(): void {
    const make = this.#make;
    if (make === undefined) completed();
    this.#make = undefined;
    const transport = (this.#transport = make());
    transport.closed.catch(() => {});                      // streams and `ready` tell, too
    this.#ready = fromPromise(transport.ready);
  }

  override [Symbol.dispose](): void {
    this.#make = undefined;
    this.#ready?.[Symbol.dispose]();
    if (this.#transport !== undefined) closeQuietly(this.#transport);
    this.#transport = undefined;
  }

  override describe(): string {
    return `a WebTransport to ${this.#url}`;
  }
}

class OpenStream extends Operation<WebTransportStream> {
  readonly #transport: WebTransportLike;
  #opening: Future<BidirectionalStream> | undefined;

  constructor(transport: WebTransportLike) {
    super();
    this.#transport = transport;
  }

  poll(waker: Waker): WebTransportStream | typeof PENDING {
    this.#opening ??= fromPromise(this.#transport.createBidirectionalStream());
    const stream = this.#opening.poll(waker);
    return stream === PENDING ? PENDING : new WebTransportStream(stream);
  }

  override [Symbol.dispose](): void {
    this.#opening?.[Symbol.dispose]();
  }

  override describe(): string {
    return "a stream to be opened";
  }
}

class AcceptStream extends Operation<WebTransportStream | undefined> {
  readonly #client: WebTransportClient;

  constructor(client: WebTransportClient) {
    super();
    this.#client = client;
  }

  poll(waker: Waker): WebTransportStream | undefined | typeof PENDING {
    return this.#client.take(waker);
  }

  override describe(): string {
    return "a stream of the peer";
  }
}
