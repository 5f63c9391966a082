// Connecting: a socket of the host that is opened at the first poll, as a future.

import type { Socket } from "node:net";
import { completed, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { Gate } from "./gate.ts";

export class Connect<S extends { close(): void }> extends Operation<S> {
  #open: (() => Socket) | undefined;
  readonly #event: string;
  readonly #wrap: (socket: Socket) => S;
  readonly #what: string;
  readonly #gate = new Gate(true);
  #socket: Socket | undefined;
  #stream: S | undefined;
  #failure: Error | undefined;
  readonly #onReady = (): void => {
    const socket = this.#socket as Socket;
    socket.off("error", this.#onError);
    socket.off("close", this.#onClose);
    this.#stream = this.#wrap(socket);                     // at once: bytes may follow in the same turn
    this.#gate.open();
  };
  readonly #onError = (error: Error): void => {
    this.#failure ??= error;
    this.#gate.open();
  };
  readonly #onClose = (): void => {
    this.#failure ??= Object.assign(new Error(`${this.#what} was closed before it was ready`), { code: "ECONNRESET" });
    this.#gate.open();
  };

  /**
   * @param open begins to connect
   * @param event of the socket that says that it is ready
   * @param what is connected to, for a deadlock report
   */
  constructor(open: () => Socket, event: string, wrap: (socket: Socket) => S, what: string) {
    super();
    this.#open = open;
    this.#event = event;
    this.#wrap = wrap;
    this.#what = what;
  }

  poll(waker: Waker): S | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    if (this.#socket === undefined) this.#start();
    if (this.#failure !== undefined) throw this.#failure;
    const stream = this.#stream;
    if (stream !== undefined) {
      this.#stream = undefined;
      this.#socket?.off(this.#event, this.#onReady);
      return stream;
    }
    this.#gate.wait(this, waker);
    restore();
    return PENDING;
  }

  #start(): void {
    const open = this.#open;
    if (open === undefined) completed();
    this.#open = undefined;
    const socket = (this.#socket = open());
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
    socket.once(this.#event, this.#onReady);
    socket.unref();
  }

  override [Symbol.dispose](): void {
    this.#open = undefined;
    this.#gate.forget(this);
    if (this.#stream !== undefined) this.#stream.close();   // nobody got it; the socket may have given up its handle
    else if (this.#failure !== undefined || this.#isConnecting) this.#socket?.destroy();
    this.#stream = undefined;
  }

  /** Begun, and neither ready nor failed: its errors are nobody's any more, but the handlers stay to take them. */
  get #isConnecting(): boolean {
    return this.#socket !== undefined && this.#socket.listeners("close").includes(this.#onClose);
  }

  override describe(): string {
    return this.#what;
  }
}
