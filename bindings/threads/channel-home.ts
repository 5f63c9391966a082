// A shared channel without shared memory: a channel of the thread that made it, and each sender a client of its own with a sender of its own.

import type { Future, Suspend } from "../future.ts";
import { select } from "../combinators.ts";
import { lazy } from "../task/lazy.ts";
import { mpsc, type Permit, type Sender } from "../sync/mpsc.ts";
import { Notify } from "../sync/notify.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { SENT } from "./channel.ts";
import { checkCopied } from "./copies.ts";
import { atHome, type Far, type Home } from "./far.ts";
import { type Place, SharedSendPermit } from "./send-permit.ts";

/** The ends of a channel that lives here. */
export function channelHome(capacity: number): [Far, Far] {
  const [tx, rx] = mpsc<unknown>(capacity);
  const turn = new Semaphore(1);
  const returned: unknown[] = [];
  const cameBack = new Notify();
  const receive = function* (limit: number): Generator<Suspend, unknown[], unknown> {
    const permit = yield* turn.acquire();
    try {
      const found: unknown[] = [];
      for (let isOver = limit === 0; !isOver && found.length === 0; ) {
        found.push(...returned.splice(0, limit));
        if (found.length === 0) isOver = (yield* select({ cameBack: cameBack.notified(), rx: rx.recvMany(found, limit) })).name === "rx";
      }
      while (found.length < limit && !rx.isEmpty) found.push(rx.tryRecv());
      return found;
    } finally {
      permit.release();
    }
  };
  const receiver: Home = {
    recv: (_client, limit: number) => lazy(() => receive(limit)),
    putBack: (_client, values: unknown[]) => {             // its wait was dropped as they came
      returned.push(...values);
      cameBack.notifyOne();
    },
    close: () => rx.close(),
  };
  return [atHome(senderHome(tx)), atHome(receiver)];
}

function senderHome(tx: Sender<unknown>): Home {
  const permits = new Map<number, Permit<unknown>>();
  return {
    send: (_client, value: unknown) => tx.send(value),
    sendTimeout: (_client, value: unknown, ms: number) => tx.sendTimeout(value, ms),
    reserve: (client, count: number) =>
      lazy(function* (): Generator<Suspend, number[], unknown> {
        const granted = yield* tx.reserveMany(count);
        return granted.map((permit) => {
          const token = client.hold(() => {
            permits.delete(token);
            permit.release();
          });
          permits.set(token, permit);
          return token;
        });
      }),
    sendReserved: (client, token: number, value: unknown) => {
      permits.get(token)?.send(value);
      client.release(token);
    },
    release: (client, token: number) => client.release(token),
    closed: () => tx.closed(),
    closeSender: () => tx.close(),
    fork: (client) => {
      const forked = tx.clone();
      client.hold(() => forked.close());
      return senderHome(forked);
    },
  };
}

/** Waits for places at home. */
export function reserveFar<T, R>(far: Far, count: number, give: (permits: SharedSendPermit<T>[]) => R): Future<R> {
  const placeOf = (token: number): Place<T> => ({
    send(value) {
      checkCopied(value);
      far.tell("sendReserved", token, value);
      return SENT;
    },
    release: () => far.tell("release", token),
  });
  return far.ask<number[], R>(
    "reserve",
    [count],
    (tokens) => give(tokens.map((token) => new SharedSendPermit(placeOf(token)))),
    (tokens) => tokens.forEach((token) => far.tell("release", token)),
  );
}
