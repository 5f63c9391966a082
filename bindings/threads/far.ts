// Shared primitives without shared memory: they live on the thread that made them (home), and others
// reach them through a port of their own. A home is a table of operations; what a client holds is
// released when its port closes, that is, when its thread dies.
//
// A call that is dropped is cancelled at home. If its answer was on the way, `late` gives back what came.

import { TokiwaError } from "../errors.ts";
import { type Future, isFuture, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { receive } from "../host.ts";
import { spawn } from "../runtime.ts";
import type { JoinHandle } from "../task/task.ts";
import { family } from "../workers/family.ts";
import { packError, type PackedError, unpackError } from "../workers/errors-wire.ts";

/** What one client holds, by number. */
export class Client {
  readonly #held = new Map<number, () => void>();
  #last = 0;

  hold(release: () => void): number {
    this.#held.set(++this.#last, release);
    return this.#last;
  }

  /** Gives up one thing. */
  release(token: number): void {
    const release = this.#held.get(token);
    this.#held.delete(token);
    release?.();
  }

  /** The thing stays gone. */
  forget(token: number): void {
    this.#held.delete(token);
  }

  end(): void {
    for (const token of [...this.#held.keys()]) this.release(token);
  }
}

/** Operations by name. They return a value, or a future of one. */
export type Home = Record<string, (client: Client, ...args: never[]) => unknown>;

/** Tells home the lock that its client's thread holds while it lives: not every host says that a port has closed. */
const LIFE = "life";

type Request = { id: number; op: string; args: unknown[] } | { cancel: number };
type Response = { id: number; value: unknown } | { id: number; error: PackedError };

/** Waits for a future and makes something of its value. */
export class Mapped<A, B> extends Operation<B> {
  readonly #inner: Future<A>;
  readonly #map: (value: A) => B;

  constructor(inner: Future<A>, map: (value: A) => B) {
    super();
    this.#inner = inner;
    this.#map = map;
  }

  poll(waker: Waker): B | typeof PENDING {
    const value = this.#inner.poll(waker);
    return value === PENDING ? PENDING : this.#map(value as A);
  }

  override [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
  }
}

class Value<T> extends Operation<T> {
  readonly #value: T;

  constructor(value: T) {
    super();
    this.#value = value;
  }

  poll(): T {
    return this.#value;
  }
}

/** A primitive as its owner or a client sees it. */
export interface Far {
  /** At home: `try*` and counts work there only. */
  readonly home: Home | undefined;
  ask<A, B>(op: string, args: unknown[], map: (value: A) => B, late?: (value: A) => void): Future<B>;
  /** Without an answer. */
  tell(op: string, ...args: unknown[]): void;
}

export function atHome(home: Home): Far {
  const client = new Client();
  const call = (op: string, args: unknown[]): unknown => (home[op] as (client: Client, ...args: unknown[]) => unknown)(client, ...args);
  return {
    home,
    ask: (op, args, map) => {
      const result = call(op, args);
      return new Mapped(isFuture(result) ? (result as Future<never>) : new Value(result as never), map);
    },
    tell: (op, ...args) => void call(op, args),
  };
}

/** A port for one more client. What it holds now is given with `client`. */
export function connect(far: Far, client = new Client()): MessagePort {
  const { port1, port2 } = new MessageChannel();
  const running = new Map<number, JoinHandle<unknown>>();
  const end = (): void => {
    for (const handle of running.values()) handle.abort();
    client.end();
  };
  receive<Request>(port1, (data) => {
    if ("cancel" in data) {
      running.get(data.cancel)?.abort();
      return;
    }
    const { id, op, args } = data;
    if (op === LIFE) {
      void navigator.locks.request(args[0] as string, end);
      return;
    }
    const handler = far.home !== undefined && Object.hasOwn(far.home, op) ? far.home[op] : undefined;
    const answer = (response: Response): void => port1.postMessage(response);
    try {
      const result = handler === undefined ? far.ask(op, args, (value) => value) : (handler as (client: Client, ...args: unknown[]) => unknown)(client, ...args);
      if (!isFuture(result)) {
        if (id !== 0) answer({ id, value: result });
        return;
      }
      const handle = spawn(result);
      running.set(id, handle);
      void handle.result().then((outcome) => {
        running.delete(id);
        if (outcome.status === "fulfilled") answer({ id, value: outcome.value });
        else if (outcome.status === "rejected") answer({ id, error: packError(outcome.reason) });
      });
    } catch (error) {
      if (id !== 0) answer({ id, error: packError(error) });
    }
  });
  port1.addEventListener("close", end);
  return port2;
}

/** The other end of `connect()`. */
export function remote(port: MessagePort): Far {
  const calls = new Map<number, (response: Response) => void>();
  let last = 0;
  if (family.lifeLock !== undefined) port.postMessage({ id: 0, op: LIFE, args: [family.lifeLock] });
  receive<Response>(port, (data) => {
    const settle = calls.get(data.id);
    calls.delete(data.id);
    settle?.(data);
  });
  return {
    home: undefined,
    ask: (op, args, map, late) => new Call(port, calls, () => ++last, op, args, map as (value: unknown) => never, late as ((value: unknown) => void) | undefined),
    tell: (op, ...args) => port.postMessage({ id: 0, op, args }),
  };
}

class Call<B> extends Operation<B> {
  readonly #port: MessagePort;
  readonly #calls: Map<number, (response: Response) => void>;
  readonly #nextId: () => number;
  readonly #op: string;
  readonly #args: unknown[];
  readonly #map: (value: unknown) => B;
  readonly #late: ((value: unknown) => void) | undefined;
  #id = 0;
  #waker: Waker | undefined;
  #response: Response | undefined;
  #isDropped = false;

  constructor(port: MessagePort, calls: Map<number, (response: Response) => void>, nextId: () => number, op: string, args: unknown[], map: (value: unknown) => B, late: ((value: unknown) => void) | undefined) {
    super();
    this.#port = port;
    this.#calls = calls;
    this.#nextId = nextId;
    this.#op = op;
    this.#args = args;
    this.#map = map;
    this.#late = late;
  }

  poll(waker: Waker): B | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    this.#waker = waker;
    if (this.#id === 0) {
      const id = (this.#id = this.#nextId());
      this.#calls.set(id, (response) => this.#answered(response));
      this.#port.postMessage({ id, op: this.#op, args: this.#args });
    }
    const response = this.#response;
    if (response === undefined) {
      restore();
      return PENDING;
    }
    this.#isDropped = true;
    if ("error" in response) throw unpackError(response.error);
    return this.#map(response.value);
  }

  #answered(response: Response): void {
    if (!this.#isDropped) {
      this.#response = response;
      this.#waker?.wake();
    } else if (!("error" in response)) this.#late?.(response.value);
  }

  override [Symbol.dispose](): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#waker = undefined;
    if (this.#response !== undefined) {
      if (!("error" in this.#response)) this.#late?.(this.#response.value);
    } else if (this.#id !== 0) this.#port.postMessage({ cancel: this.#id });
  }

  override describe(): string {
    return "a shared primitive of another thread";
  }
}

/** What cannot be known or waited for without shared memory, away from home or at all. */
export function noSharedMemory(what: string): never {
  throw new TokiwaError("TOKIWA_NO_SHARED_MEMORY", `${what} needs SharedArrayBuffer here, which a page has only with COOP and COEP headers: await the other variant`);
}

export interface Packed {
  type: string;
  state: unknown;
  transfer?: Transferable[];
  over?: () => void;
}

/** A primitive as an argument: a port of its own for whoever gets it. */
export function packFar(type: string, far: Far, client?: Client): Packed {
  const port = connect(far, client);
  return { type, state: port, transfer: [port] };
}

export function isPort(state: unknown): state is MessagePort {
  return state instanceof MessagePort;
}
