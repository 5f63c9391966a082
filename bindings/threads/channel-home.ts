// A shared channel without shared memory: a channel of the thread that made it, and each sender a client of its own with a sender of its own.

import { TryRecvError } from "../errors.ts";
import type { Future, Suspend } from "../future.ts";
import { select } from "../combinators.ts";
import { lazy } from "../task/lazy.ts";
import { mpsc, type Permit, type Sender } from "../sync/mpsc.ts";
import { Notify } from "../sync/notify.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { SENT } from "./channel.ts";
import { checkCopied, copied } from "./copies.ts";
import { atHome, type Client, type Far, type Home } from "./far.ts";
import { type Place, SharedSendPermit } from "./send-permit.ts";

/** What is on its way to receivers that have dropped their wait, and comes back: until then there is neither a next message nor an end. */
class Returns {
  readonly #due = new Map<Client, Set<number>>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get areDue(): boolean {
    return this.#due.size > 0;
  }

  /** Something will come back from a client, if it does not die before. */
  expect(client: Client): void {
    const tokens = this.#due.get(client) ?? new Set();
    this.#due.set(client, tokens);
    const token = client.hold(() => {
      tokens.delete(token);
      if (tokens.size === 0) this.#due.delete(client);
      this.#changed();
    });
    tokens.add(token);
  }

  came(client: Client): void {
    for (const token of this.#due.get(client) ?? []) return client.release(token);
  }
}

/** The ends of a channel that lives here. */
export function channelHome(capacity: number): [Far, Far] {
  const [tx, rx] = mpsc<unknown>(capacity);
  const turn = new Semaphore(1);
  const returned: unknown[] = [];
  const cameBack = new Notify();
  const returns = new Returns(() => cameBack.notifyOne());
  const receive = function* (limit: number): Generator<Suspend, unknown[], unknown> {
    const permit = yield* turn.acquire();
    try {
      const found: unknown[] = [];
      for (let isOver = limit === 0; !isOver && found.length === 0; ) {
        found.push(...returned.splice(0, limit));
        if (found.length > 0) break;
        if (returns.areDue) yield* cameBack.notified();
        else isOver = (yield* select({ cameBack: cameBack.notified(), rx: rx.recvMany(found, limit) })).name === "rx" && !returns.areDue;
      }
      while (found.length < limit && !rx.isEmpty && !returns.areDue) found.push(rx.tryRecv());
      return found;
    } finally {
      permit.release();
    }
  };
  const receiver: Home = {
    recv: (_client, limit: number) => lazy(() => receive(limit)),
    recvDropped: (client) => returns.expect(client),
    putBack: (client, values: unknown[], isDue: boolean) => {                    // its wait was dropped as they came
      returned.push(...values);
      if (isDue) returns.came(client);
      cameBack.notifyOne();
    },
    tryRecv: () => {
      if (returned.length > 0) return returned.shift();
      if (returns.areDue) throw new TryRecvError("the channel is empty", "TOKIWA_EMPTY");
      return rx.tryRecv();
    },
    isClosed: () => rx.isClosed,
    length: () => returned.length + rx.length,
    capacity: () => rx.capacity,
    maxCapacity: () => rx.maxCapacity,
    senderStrongCount: () => rx.senderStrongCount,
    senderWeakCount: () => rx.senderWeakCount,
    close: () => rx.close(),
  };
  return [atHome(senderHome(tx)), atHome(receiver)];
}

function senderHome(tx: Sender<unknown>): Home {
  const permits = new Map<number, Permit<unknown>>();
  const lend = (client: Client, granted: Permit<unknown>[]): number[] =>
    granted.map((permit) => {
      const token = client.hold(() => {
        permits.delete(token);
        permit.release();
      });
      permits.set(token, permit);
      return token;
    });
  return {
    trySend: (_client, value: unknown) => tx.trySend(value),
    tryReserve: (client, count: number) => lend(client, tx.tryReserveMany(count)),
    isClosed: () => tx.isClosed,
    capacity: () => tx.capacity,
    maxCapacity: () => tx.maxCapacity,
    strongCount: () => tx.strongCount,
    weakCount: () => tx.weakCount,
    send: (_client, value: unknown) => tx.send(value),
    sendTimeout: (_client, value: unknown, ms: number) => tx.sendTimeout(value, ms),
    reserve: (client, count: number) =>
      lazy(function* (): Generator<Suspend, number[], unknown> {
        return lend(client, yield* tx.reserveMany(count));
      }),
    sendReserved: (client, token: number, value: unknown) => {
      permits.get(token)?.send(value);
      client.release(token);
    },
    release: (client, token: number) => client.release(token),
    closed: () => tx.closed(),
    closeSender: () => tx.close(),
    fork: (client) => {
      const weak = tx.downgrade();                         // this one may be closed, and others open
      const forked = weak.upgrade();
      weak.close();
      if (forked === undefined) return senderHome(tx);
      client.hold(() => forked.close());
      return senderHome(forked);
    },
  };
}

/** What is sent: home takes no message itself, and a port copies. @throws {TokiwaError} `TOKIWA_NOT_CLONEABLE` */
export function ownCopy(far: Far, value: unknown): unknown {
  if (far.home !== undefined) return copied(value);
  checkCopied(value);
  return value;
}

export function permitsFar<T>(far: Far, tokens: number[]): SharedSendPermit<T>[] {
  const placeOf = (token: number): Place<T> => ({
    send(value) {
      far.tell("sendReserved", token, ownCopy(far, value));
      return SENT;
    },
    release: () => far.tell("release", token),
  });
  return tokens.map((token) => new SharedSendPermit(placeOf(token)));
}

/** Waits for places at home. */
export function reserveFar<T, R>(far: Far, count: number, give: (permits: SharedSendPermit<T>[]) => R): Future<R> {
  return far.ask<number[], R>("reserve", [count], (tokens) => give(permitsFar(far, tokens)), (tokens) => tokens.forEach((token) => far.tell("release", token)));
}
