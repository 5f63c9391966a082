// Input and output of guests: what tk_io_* of tokiwa.h reads, writes and waits for.
//
// Opt in: attach(runtime, guest, { io: guestIo() }), so that guests without it do not carry this file.
//
// A number stands for each connection. Readiness is like poll(2): a guest asks, is woken when something changed, and
// asks again; reads and writes never wait. One piece is read ahead (a message of a WebSocket, a chunk of a response),
// and only when somebody asked for it, so an unread connection stops its peer where the host can do that.
// One write is on its way at a time. Bytes are copied between the guest's memory and JavaScript: it may move.

import { OptionError, TokiwaError } from "../errors.ts";
import { startTimer } from "../host.ts";
import { checkOptions, show } from "../options.ts";
import { TK_EAGAIN, TK_EINVAL, TK_EIO, TK_END, TK_ENOSYS, TK_ESTALE, TK_PENDING } from "./codes.ts";

const OPEN = 1;
const READ = 2;
const WRITE = 4;
const TEXT = 8;

const PIECE_BYTES = 16384;
const SEND_LIMIT = 1 << 20;
const SEND_LOOK_MS = 4;
const RECEIVE_LIMIT = 16 << 20;
const NORMAL = 1000;
/** What pages may send instead of 1009. */
const TOO_BIG = 4009;

/** Something to read from or to write to, as the streams of `tokiwa/net` are. */
export interface GuestStream {
  /** Reads into a buffer. 0: the end. */
  read?(into: Uint8Array): PromiseLike<number>;
  /** Writes some bytes and says how many; nothing means all. */
  write?(bytes: Uint8Array): PromiseLike<number | void>;
  /** No more will be written. */
  shutdown?(): PromiseLike<void>;
  close?(): void;
}

/** What `guestIo()` may use; the host's own where it has one. */
export interface GuestIoOptions {
  /** For `tk_io_tcp()` and `tk_io_unix()`: `tokiwa/net`, or what looks like it. Without it they return `TK_ENOSYS`. */
  net?: {
    TcpStream: { connect(addr: { host: string; port: number }): PromiseLike<GuestStream> };
    UnixStream: { connect(addr: { path: string }): PromiseLike<GuestStream> };
  };
  /** Node 20 has none: pass that of the package `ws`. */
  WebSocket?: new (url: string) => WebSocket;
  fetch?: typeof fetch;
}

/** What a guest's binding offers. */
export interface IoHost {
  memory(): WebAssembly.Memory | undefined;
  wake(task: number): void;
  /** A promise of the host is awaited (1), or no longer (-1). */
  pending(change: 1 | -1): void;
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly isText: boolean;
}

/** One kind of connection. */
interface Port {
  readonly status: number;
  header(name: string): string | null;
  /** The next piece; undefined at the end. */
  read(): PromiseLike<Piece | undefined>;
  /** Nothing when more can be written at once. */
  write(bytes: Uint8Array<ArrayBuffer>, isText: boolean): PromiseLike<unknown> | undefined;
  shutdown(): void;
  close(): void;
}

interface Entry {
  port: Port | undefined;
  piece: Piece | undefined;
  /** Bytes of the piece that were read. */
  taken: number;
  isReading: boolean;
  isWriting: boolean;
  hasEnded: boolean;
  isClosed: boolean;
  error: unknown;
  /** Promises of the host that are awaited in its name. */
  awaited: number;
  /** Ends an attempt to connect. */
  giveUp: (() => void) | undefined;
  /** Tasks to wake when something changes. */
  waiters: number[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const noHeader = (): null => null;

/** A response, by its body. */
function portOfResponse(response: Response, abort: AbortController): Port {
  const reader = response.body?.getReader();
  let hasEnded = reader === undefined;
  return {
    status: response.status,
    header: (name) => response.headers.get(name),
    async read() {
      const result = await reader?.read();
      hasEnded = result?.value === undefined;
      return hasEnded ? undefined : { bytes: (result as { value: Uint8Array }).value, isText: false };
    },
    write: () => Promise.reject(new TokiwaError("TOKIWA_UNSUPPORTED", "a response cannot be written to: give the body to tk_io_fetch()")),
    shutdown() {},
    close() {
      if (!hasEnded) abort.abort();                        // a page's tools would show it as failed
    },
  };
}

function portOfStream(stream: GuestStream): Port {
  let buffer: Uint8Array | undefined;
  return {
    status: 0,
    header: noHeader,
    async read() {
      if (stream.read === undefined) return undefined;
      buffer ??= new Uint8Array(PIECE_BYTES);
      const count = await stream.read(buffer);
      return count > 0 ? { bytes: buffer.subarray(0, count), isText: false } : undefined;
    },
    async write(bytes) {
      if (stream.write === undefined) throw new TokiwaError("TOKIWA_UNSUPPORTED", "this stream cannot be written to");
      for (let rest: Uint8Array = bytes; rest.length > 0; ) rest = rest.subarray((await stream.write(rest)) ?? rest.length);
    },
    shutdown: () => void stream.shutdown?.().then(undefined, () => {}),
    close: () => stream.close?.(),
  };
}

function portOfWebSocket(socket: WebSocket): Promise<Port> {
  const pieces: Piece[] = [];
  let waiting = 0;
  let failure: Error | undefined;
  let hasEnded = false;
  let settle: (() => void) | undefined;
  const changed = (): void => {
    settle?.();
    settle = undefined;
  };
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", ({ data }: MessageEvent<string | ArrayBuffer>) => {
    const isText = typeof data === "string";
    const bytes = isText ? encoder.encode(data) : new Uint8Array(data);
    waiting += bytes.length;
    if (waiting > RECEIVE_LIMIT) {
      failure ??= new TokiwaError("TOKIWA_RECEIVE_LIMIT", `more than ${RECEIVE_LIMIT} bytes waited to be read, so the WebSocket was closed: read faster`);
      socket.close(TOO_BIG, "receive limit");
    } else pieces.push({ bytes, isText });
    changed();
  });
  socket.addEventListener("close", ({ code, reason }) => {
    if (code !== NORMAL && code !== 1001 && code !== 1005) failure ??= new TokiwaError("TOKIWA_WEBSOCKET", `the WebSocket was closed with code ${code}${reason ? ` (${reason})` : ""}`);
    hasEnded = true;
    changed();
  });
  const port: Port = {
    status: 0,
    header: noHeader,
    async read() {
      while (pieces.length === 0 && !hasEnded) await new Promise<void>((resolve) => (settle = resolve));
      const piece = pieces.shift();
      if (piece === undefined && failure !== undefined) throw failure;
      waiting -= piece?.bytes.length ?? 0;
      return piece;
    },
    write(bytes, isText) {
      socket.send(isText ? decoder.decode(bytes) : bytes);
      if (socket.bufferedAmount <= SEND_LIMIT) return undefined;
      return new Promise((resolve) => {
        const look = (): void => {
          if (socket.bufferedAmount <= SEND_LIMIT || hasEnded) resolve(undefined);
          else startTimer(look, SEND_LOOK_MS);
        };
        look();
      });
    },
    shutdown: () => socket.close(NORMAL),
    close: () => socket.close(NORMAL),
  };
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve(port));
    socket.addEventListener("error", () => {
      failure ??= new TokiwaError("TOKIWA_WEBSOCKET", `the WebSocket to ${socket.url} failed`);
      reject(failure);
    });
    socket.addEventListener("close", () => reject(failure ?? new TokiwaError("TOKIWA_WEBSOCKET", "the WebSocket was closed")));
  });
}

/** The connections of one guest. Methods named tk_io_* are what `tokiwa.h` documents. */
export class IoTable {
  readonly #host: IoHost;
  readonly #options: GuestIoOptions;
  readonly #entries = new Map<number, Entry>();
  #last = 0;

  constructor(host: IoHost, options: GuestIoOptions) {
    this.#host = host;
    this.#options = options;
  }

  // ---- opening

  tk_io_fetch(url: number, init: number): number {
    const run = this.#options.fetch ?? globalThis.fetch;
    if (run === undefined) return TK_ENOSYS;
    const address = this.#text(url);
    let request: RequestInit = {};
    try {
      if (init !== 0) request = JSON.parse(this.#text(init)) as RequestInit;
    } catch {
      return TK_EINVAL;
    }
    const abort = new AbortController();
    return this.#open(
      Promise.resolve().then(() => run(address, { ...request, signal: abort.signal })).then((response) => portOfResponse(response, abort)),
      () => abort.abort(),
    );
  }

  tk_io_websocket(url: number): number {
    const Class = this.#options.WebSocket ?? globalThis.WebSocket;
    if (Class === undefined) return TK_ENOSYS;
    let socket: WebSocket;
    try {
      socket = new Class(this.#text(url));
    } catch {
      return TK_EINVAL;
    }
    return this.#open(portOfWebSocket(socket), () => socket.close());
  }

  tk_io_tcp(host: number, port: number): number {
    const { net } = this.#options;
    if (net === undefined) return TK_ENOSYS;
    if (port < 0 || port > 65535) return TK_EINVAL;
    return this.#connect(() => net.TcpStream.connect({ host: this.#text(host), port }));
  }

  tk_io_unix(path: number): number {
    const { net } = this.#options;
    return net === undefined ? TK_ENOSYS : this.#connect(() => net.UnixStream.connect({ path: this.#text(path) }));
  }

  /** Names a stream that JavaScript has. */
  stream(stream: GuestStream): number {
    if (typeof stream !== "object" || stream === null || (typeof stream.read !== "function" && typeof stream.write !== "function")) {
      throw new OptionError(`stream must have read(into) or write(bytes), got ${show(stream)}`);
    }
    return this.#add(portOfStream(stream));
  }

  #connect(connect: () => PromiseLike<GuestStream>): number {
    let attempt: PromiseLike<GuestStream>;
    try {
      attempt = connect();
    } catch (error) {
      attempt = Promise.reject(error);
    }
    return this.#open(attempt.then(portOfStream), () => (attempt as Partial<Disposable>)[Symbol.dispose]?.());
  }

  #add(port: Port | undefined): number {
    const id = (this.#last = (this.#last % 0x3fffffff) + 1);
    this.#entries.set(id, { port, piece: undefined, taken: 0, isReading: false, isWriting: false, hasEnded: false, isClosed: false, error: undefined, awaited: 0, giveUp: undefined, waiters: [] });
    return id;
  }

  #open(opening: PromiseLike<Port>, giveUp: () => void): number {
    const id = this.#add(undefined);
    const entry = this.#entries.get(id) as Entry;
    entry.giveUp = giveUp;
    this.#await(entry, opening, (port) => {
      entry.port = port;
      if (entry.isClosed) port.close();
    });
    return id;
  }

  /** Waits for a promise of the host in the name of an entry; whoever waits for the entry then looks again. */
  #await<T>(entry: Entry, promise: PromiseLike<T>, then: (value: T) => void): void {
    this.#host.pending(1);
    entry.awaited++;
    const settled = (): void => {
      if (entry.isClosed) return;
      entry.awaited--;
      this.#host.pending(-1);
      for (const task of entry.waiters.splice(0)) this.#host.wake(task);
    };
    promise.then(
      (value) => {
        then(value);
        settled();
      },
      (error: unknown) => {
        entry.isReading = entry.isWriting = false;
        entry.error ??= error ?? new Error("failed");
        settled();
      },
    );
  }

  // ---- readiness

  tk_io_poll(id: number, interest: number, waiter: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    if ((interest & ~(OPEN | READ | WRITE)) !== 0 || interest === 0) return TK_EINVAL;
    let ready = 0;
    if (entry.port !== undefined) {
      if (interest & OPEN) ready |= OPEN;
      if (interest & READ) {
        if (entry.piece !== undefined) ready |= entry.piece.isText ? READ | TEXT : READ;
        else if (entry.hasEnded) ready |= READ;
        else this.#readAhead(entry);
      }
      if (interest & WRITE && !entry.isWriting && entry.error === undefined) ready |= WRITE;
    }
    if (ready !== 0) return ready;
    if (entry.error !== undefined) return TK_EIO;
    if (waiter >= 0 && !entry.waiters.includes(waiter)) entry.waiters.push(waiter);
    return TK_PENDING;
  }

  #readAhead(entry: Entry): void {
    if (entry.isReading || entry.hasEnded || entry.error !== undefined || entry.port === undefined) return;
    entry.isReading = true;
    this.#await(entry, entry.port.read(), (piece) => {
      entry.isReading = false;
      entry.piece = piece;
      entry.taken = 0;
      if (piece === undefined) entry.hasEnded = true;
    });
  }

  // ---- bytes

  tk_io_read(id: number, into: number, bytes: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    const view = this.#view(into, bytes);
    if (view === undefined) return TK_EINVAL;
    const { piece } = entry;
    if (piece !== undefined) {
      const count = Math.min(view.length, piece.bytes.length - entry.taken);
      view.set(piece.bytes.subarray(entry.taken, entry.taken + count));
      entry.taken += count;
      if (entry.taken === piece.bytes.length) entry.piece = undefined;
      return count;
    }
    if (entry.hasEnded) return TK_END;
    if (entry.error !== undefined) return TK_EIO;
    this.#readAhead(entry);
    return TK_EAGAIN;
  }

  tk_io_left(id: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    return entry.piece === undefined ? 0 : entry.piece.bytes.length - entry.taken;
  }

  tk_io_write(id: number, from: number, bytes: number): number {
    return this.#write(id, from, bytes, false);
  }

  tk_io_write_text(id: number, from: number, bytes: number): number {
    return this.#write(id, from, bytes, true);
  }

  #write(id: number, from: number, bytes: number, isText: boolean): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    const view = this.#view(from, bytes);
    if (view === undefined) return TK_EINVAL;
    if (entry.error !== undefined) return TK_EIO;
    if (entry.port === undefined || entry.isWriting) return TK_EAGAIN;
    let sending: PromiseLike<unknown> | undefined;
    try {
      sending = entry.port.write(new Uint8Array(view), isText);
    } catch (error) {
      entry.error = error;
      return TK_EIO;
    }
    if (sending !== undefined) {
      entry.isWriting = true;
      this.#await(entry, sending, () => (entry.isWriting = false));
    }
    return view.length;
  }

  tk_io_shutdown(id: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    if (entry.port === undefined || entry.isWriting) return TK_EAGAIN;
    entry.port.shutdown();
    return 0;
  }

  // ---- what it says of itself

  tk_io_status(id: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    if (entry.port === undefined) return entry.error === undefined ? TK_EAGAIN : TK_EIO;
    return entry.port.status;
  }

  tk_io_header(id: number, name: number, into: number, bytes: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    if (entry.port === undefined) return entry.error === undefined ? TK_EAGAIN : TK_EIO;
    let value: string | null;
    try {
      value = entry.port.header(this.#text(name));
    } catch {
      return TK_EINVAL;
    }
    return value === null ? TK_END : this.#put(value, into, bytes);
  }

  tk_io_error(id: number, into: number, bytes: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    const { error } = entry;
    return this.#put(error === undefined ? "" : error instanceof Error ? error.message : show(error), into, bytes);
  }

  tk_io_close(id: number): number {
    const entry = this.#entries.get(id);
    if (entry === undefined) return TK_ESTALE;
    this.#entries.delete(id);
    entry.isClosed = true;
    for (; entry.awaited > 0; entry.awaited--) this.#host.pending(-1);
    if (entry.port !== undefined) entry.port.close();
    else entry.giveUp?.();
    return 0;
  }

  /** The guest was detached. */
  closeAll(): void {
    for (const id of [...this.#entries.keys()]) this.tk_io_close(id);
  }

  // ---- the guest's memory

  #view(at: number, bytes: number): Uint8Array | undefined {
    const buffer = this.#host.memory()?.buffer;
    if (buffer === undefined || bytes < 0 || (at >>> 0) + bytes > buffer.byteLength) return undefined;
    return new Uint8Array(buffer, at >>> 0, bytes);
  }

  /** A text that ends with a zero. */
  #text(at: number): string {
    const buffer = this.#host.memory()?.buffer;
    if (buffer === undefined) return "";
    const bytes = new Uint8Array(buffer);
    const end = bytes.indexOf(0, at >>> 0);
    return decoder.decode(bytes.slice(at >>> 0, end < 0 ? bytes.length : end));   // slice: a shared buffer cannot be decoded
  }

  /** As much of a text as there is room for, ended with a zero. @returns the length of all of it */
  #put(text: string, into: number, bytes: number): number {
    const encoded = encoder.encode(text);
    const view = this.#view(into, bytes);
    if (view === undefined) return TK_EINVAL;
    if (view.length > 0) {
      const count = Math.min(encoded.length, view.length - 1);
      view.set(encoded.subarray(0, count));
      view[count] = 0;
    }
    return encoded.length;
  }
}

/** What `attach()` takes as `io`; made by `guestIo()`. */
export interface GuestIo {
  /** @internal */
  readonly open: (host: IoHost) => IoTable;
}

/**
 * Lets a guest open connections: `tk_io_fetch()`, `tk_io_websocket()`, and with `net` also `tk_io_tcp()` and `tk_io_unix()`.
 *
 * @throws {OptionError}
 * @example
 * const guest = await attach(runtime, createApp, { io: guestIo({ net: await import("tokiwa/net") }) });
 */
export function guestIo(options?: GuestIoOptions): GuestIo {
  const given = checkOptions<GuestIoOptions>("options", options);
  for (const name of ["WebSocket", "fetch"] as const) {
    if (given[name] !== undefined && typeof given[name] !== "function") throw new OptionError(`${name} must be a function, got ${show(given[name])}`);
  }
  if (given.net !== undefined && typeof given.net.TcpStream?.connect !== "function") throw new OptionError(`net must be the module tokiwa/net, got ${show(given.net)}`);
  return Object.freeze({ open: (host: IoHost) => new IoTable(host, given) });
}
