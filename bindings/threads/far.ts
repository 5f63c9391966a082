// Shared primitives without shared memory: they live on the thread that made them (home), and others
// reach them through a port of their own. A home is a table of operations; what a client holds is
// released when its port closes, that is, when its thread dies. Whoever passes a primitive on makes a port and
// has home serve its other end (adopt): the new client is home's as well, and needs nobody in between.
//
// A client says that it has arrived. One that travels with a job and has not by the time the job is over is given up: what it has of its
// own, a sender, is closed. If it arrives after all (the job was detached, and began later), it gets another one.
//
// A call that is dropped is cancelled at home. If its answer was on the way, `late` gives back what came.

import { TokiwaError } from "../errors.ts";
import { type Future, isFuture, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { receive, receiveAll, receiveNow, startTimer, unrefTimer } from "../host.ts";
import { spawn } from "../runtime.ts";
import type { JoinHandle } from "../task/task.ts";
import { family } from "../workers/family.ts";
import { packError, type PackedError, unpackError } from "../workers/errors-wire.ts";
import { notCloneable } from "../workers/sendable.ts";

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

/** Behind the name of an operation: what to do when a call of it was dropped whose answer is on the way, and will be given back. */
const DROPPED = "Dropped";
/** Of a primitive of which each client has one of its own: what to do for one more. */
const FORK = "fork";
/** Tells home that its client has arrived, and the lock that its thread holds while it lives: not every host says that a port has closed. */
const LIFE = "life";
/** Gives home a port, at whose other end is one more client, and the number by which that may be given up. */
const ADOPT = "adopt";
const GIVE_UP = "giveUp";
/** Milliseconds in which what was posted before a job ended has come by another port, where a port cannot be read without the event loop. */
const GRACE = 1000;

type Request = { id: number; op: string; args: unknown[] } | { cancel: number; op: string };
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
  /** @param late gives back what nobody takes; told whether home knows that it will come (`Dropped`) */
  ask<A, B>(op: string, args: unknown[], map: (value: A) => B, late?: (value: A, isDue: boolean) => void): Future<B>;
  /** Without an answer. */
  tell(op: string, ...args: unknown[]): void;
  /** At once, which only home can. @param what the method, for the error elsewhere */
  now<R>(what: string, op: string, ...args: unknown[]): R;
  /** Has home serve one more client. @returns gives it up, unless it has arrived; for one that may not arrive */
  adopt(port: MessagePort, mayGetLost: boolean): () => void;
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
    now: <R>(_what: string, op: string, ...args: unknown[]) => call(op, args) as R,
    adopt: (port) => adopt(home, port),
  };
}

/** @returns gives the client up, unless it has arrived */
function adopt(home: Home, port: MessagePort): () => void {
  const client = new Client();
  let own = forkOf(home, client);
  let hasArrived = false;
  let isGivenUp = false;
  const readNow = serve(() => own, client, port, () => {
    if (isGivenUp && !hasArrived) own = forkOf(home, client);
    hasArrived = true;
  });
  const giveUp = (): void => {
    readNow();
    if (hasArrived) return;
    isGivenUp = true;
    client.end();
  };
  return receiveNow !== undefined ? giveUp : () => unrefTimer(startTimer(giveUp, GRACE));
}

/** What one client has of its own, or what is there for all. */
function forkOf(home: Home, client: Client): Home {
  return (home[FORK] as ((client: Client) => Home) | undefined)?.(client) ?? home;
}

/** Serves a client, until it has gone. */
function serve(homeOf: () => Home, client: Client, port: MessagePort, arrived: () => void): () => void {
  const adopted = new Map<number, () => void>();
  const running = new Map<number, JoinHandle<unknown>>();
  const end = (): void => {
    for (const handle of running.values()) handle.abort();
    client.end();
  };
  const cancelled = new Set<number>();
  const dropped = (op: string): void => (homeOf()[op + DROPPED] as ((client: Client) => void) | undefined)?.(client);
  const take = (data: Request): void => {
    arrived();
    if ("cancel" in data) {
      const handle = running.get(data.cancel);
      handle?.abort();
      if (handle === undefined) dropped(data.op);
      else cancelled.add(data.cancel);
      return;
    }
    const { id, op, args } = data;
    if (op === LIFE) {
      if (args[0] !== undefined) void navigator.locks.request(args[0] as string, end);
      return;
    }
    if (op === GIVE_UP) {
      const giveUp = adopted.get(args[0] as number);
      adopted.delete(args[0] as number);
      giveUp?.();
      return;
    }
    const home = homeOf();
    const answer = (response: Response): void => port.postMessage(response);
    try {
      if (op === ADOPT) {
        const giveUp = adopt(home, args[0] as MessagePort);
        if (args[1] !== 0) adopted.set(args[1] as number, giveUp);
        return;
      }
      if (!Object.hasOwn(home, op)) throw new TypeError(`no such operation of a shared primitive: ${op}`);
      const result = (home[op] as (client: Client, ...args: unknown[]) => unknown)(client, ...args);
      if (!isFuture(result)) {
        if (id !== 0) answer({ id, value: result });
        return;
      }
      const handle = spawn(result);
      running.set(id, handle);
      void handle.result().then((outcome) => {
        running.delete(id);
        const wasCancelled = cancelled.delete(id);
        if (wasCancelled && outcome.status === "fulfilled") dropped(op);         // it had ended before
        if (outcome.status === "fulfilled") answer({ id, value: outcome.value });
        else if (outcome.status === "rejected") answer({ id, error: packError(outcome.reason) });
      });
    } catch (error) {
      if (id !== 0) answer({ id, error: packError(error) });
    }
  };
  receive<Request>(port, take);
  port.addEventListener("close", end);
  return () => receiveAll<Request>(port, take);
}

/** What a port leads to. */
export function remote(port: MessagePort): Far {
  const calls = new Map<number, (response: Response) => void>();
  let last = 0;
  let lastAdopted = 0;
  port.postMessage({ id: 0, op: LIFE, args: [family.lifeLock] });
  receive<Response>(port, (data) => {
    const settle = calls.get(data.id);
    calls.delete(data.id);
    settle?.(data);
  });
  return {
    home: undefined,
    ask: (op, args, map, late) => new Call(port, calls, () => ++last, op, args, map as (value: unknown) => never, late as ((value: unknown, isDue: boolean) => void) | undefined),
    tell: (op, ...args) => port.postMessage({ id: 0, op, args }),
    now: (what) => noSharedMemory(what),
    adopt: (other, mayGetLost) => {
      const number = mayGetLost ? ++lastAdopted : 0;
      port.postMessage({ id: 0, op: ADOPT, args: [other, number] }, [other]);
      return () => port.postMessage({ id: 0, op: GIVE_UP, args: [number] });
    },
  };
}

class Call<B> extends Operation<B> {
  readonly #port: MessagePort;
  readonly #calls: Map<number, (response: Response) => void>;
  readonly #nextId: () => number;
  readonly #op: string;
  readonly #args: unknown[];
  readonly #map: (value: unknown) => B;
  readonly #late: ((value: unknown, isDue: boolean) => void) | undefined;
  #id = 0;
  #waker: Waker | undefined;
  #response: Response | undefined;
  #isDropped = false;

  constructor(port: MessagePort, calls: Map<number, (response: Response) => void>, nextId: () => number, op: string, args: unknown[], map: (value: unknown) => B, late: ((value: unknown, isDue: boolean) => void) | undefined) {
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
      try {
        this.#port.postMessage({ id, op: this.#op, args: this.#args });
      } catch (cause) {
        this.#calls.delete(id);
        this.#isDropped = true;
        throw notCloneable("a message", cause);
      }
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
    } else if (!("error" in response)) this.#late?.(response.value, true);
  }

  override [Symbol.dispose](): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#waker = undefined;
    if (this.#response !== undefined) {
      if (!("error" in this.#response)) this.#late?.(this.#response.value, false);
    } else if (this.#id !== 0) this.#port.postMessage({ cancel: this.#id, op: this.#op });
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

/** One more client of a primitive. */
export function portTo(far: Far): MessagePort {
  const { port1, port2 } = new MessageChannel();
  far.adopt(port1, false);
  return port2;
}

/** A primitive as an argument: a port of its own for whoever gets it. */
export function packFar(type: string, far: Far): Packed {
  const port = portTo(far);
  return { type, state: port, transfer: [port] };
}

/** One of which each client has one of its own: home closes it if it never arrives. */
export function packOwn(type: string, far: Far): Packed {
  const { port1, port2 } = new MessageChannel();
  const over = far.adopt(port1, true);
  return { type, state: port2, transfer: [port2], over };
}

export function isPort(state: unknown): state is MessagePort {
  return state instanceof MessagePort;
}
