// A listening socket: TCP and Unix differ only in the address and in what they make of a connection.
//
// The host accepts by itself and tells by events; connections wait in `#queue` until a task
// asks. Reading begins when they arrive, so what the peer sends first is there when the task
// looks. A connection that was aborted before it was accepted never shows here; running out of
// descriptors (EMFILE) loses the connection that could not be taken and nothing else.

import type { ListenOptions, Server, Socket } from "node:net";
import { type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { Gate } from "./gate.ts";
import { HandleEndpoint, serverHandle, systemError } from "./handle.ts";
import { HostCall } from "./host-call.ts";
import type { HostEndpoint } from "./host-endpoint.ts";
import { closedError } from "./io.ts";
import { need } from "./modules.ts";
import { SocketEndpoint } from "./socket.ts";

/** Errors of accept(2) that are about one connection, or that pass: the loop goes on. */
const PASSING = new Set(["ECONNABORTED", "ECONNRESET", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EPERM", "EPROTO", "EINTR", "EAGAIN"]);

export interface Stream extends Disposable {
  close(): void;
}

export class Acceptor<S extends Stream> {
  readonly server: Server;
  readonly gate = new Gate(true);
  readonly #queue: (S | undefined)[] = [];
  #first = 0;
  #failure: Error | undefined;
  isClosed = false;

  constructor(server: Server, wrap: (endpoint: HostEndpoint) => S) {
    this.server = server;
    const handle = serverHandle(server);
    if (handle === undefined) server.on("connection", (socket: Socket) => this.#arrived(wrap(new SocketEndpoint(socket))));
    else {
      handle.onconnection = (status, client) => {
        if (status < 0) this.#failed(systemError(status, "accept"));
        else this.#arrived(wrap(new HandleEndpoint(client)));
      };
    }
    server.on("error", (error: NodeJS.ErrnoException) => this.#failed(error));
  }

  #arrived(stream: S): void {
    this.#queue.push(stream);
    this.gate.open();
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (PASSING.has(error.code ?? "")) return;
    this.#failure = error;
    this.gate.open();
  }

  /** A connection that waits; undefined when none does. Throws when the listener failed or was closed. */
  take(): S | undefined {
    if (this.#first < this.#queue.length) {
      const stream = this.#queue[this.#first];
      this.#queue[this.#first++] = undefined;
      if (this.#first === this.#queue.length) this.#queue.length = this.#first = 0;
      return stream;
    }
    if (this.isClosed) throw closedError("cannot accept: the listener was closed");
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    return undefined;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.server.close();
    for (const stream of this.#queue) stream?.close();
    this.#queue.length = this.#first = 0;
    this.gate.open();
  }
}

export class Bind<L> extends HostCall<L> {
  readonly #options: ListenOptions;
  readonly #wrap: (server: Server) => L;
  readonly #drop: (listener: L) => void;

  constructor(options: ListenOptions, wrap: (server: Server) => L, drop: (listener: L) => void) {
    super();
    this.#options = options;
    this.#wrap = wrap;
    this.#drop = drop;
  }

  protected start(): void {
    const server = need("node:net", "listening").createServer({ allowHalfOpen: true });
    const onError = (error: Error): void => this.settle({ error });
    server.once("error", onError);
    server.listen(this.#options, () => {
      server.off("error", onError);
      if (this.isOver) server.close();
      else this.settle({ value: this.#wrap(server) });
    });
    server.unref();
  }

  protected override unclaimed(listener: L): void {
    this.#drop(listener);
  }

  override describe(): string {
    return "a socket to be bound";
  }
}

export class Accept<S extends Stream> extends Operation<S> {
  readonly #acceptor: Acceptor<S>;

  constructor(acceptor: Acceptor<S>) {
    super();
    this.#acceptor = acceptor;
  }

  poll(waker: Waker): S | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const acceptor = this.#acceptor;
    const stream = acceptor.take();
    if (stream !== undefined) return stream;
    acceptor.gate.wait(this, waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#acceptor.gate.forget(this);
  }

  override describe(): string {
    return "a connection to accept";
  }
}

/** The connections of a listener, one after the other, until it is closed. */
export async function* connections<S>(accept: () => Future<S>, isClosed: () => boolean): AsyncGenerator<S, void, undefined> {
  while (!isClosed()) {
    let stream: S;
    try {
      stream = await accept();
    } catch (error) {
      if (isClosed()) return;
      throw error;
    }
    yield stream;
  }
}
