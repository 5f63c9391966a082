// oneshot, after tokio/tests/sync_oneshot.rs.

import { describe, expect, test } from "vitest";
import { ContextError, fromPromise, oneshot, type OneshotReceiver, PENDING, RecvError, run, Runtime, select, SendError, spawn, timeout, TryRecvError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { codeOf, errorOf } from "./support/errors.ts";

describe("a oneshot channel", () => {
  test("wakes the receiver when the message is sent", () => {
    const [tx, rx] = oneshot<number>();
    const receive = task(rx);
    expect(receive.poll()).toBe(PENDING);
    tx.send(1);
    expect(receive.isWoken).toBe(true);
    expect(receive.poll()).toBe(1);
  });

  test("gives the message to an await, a yield* and a blockingRecv()", async () => {
    const [tx1, rx1] = oneshot<number>();
    tx1.send(1);
    expect(await rx1).toBe(1);
    const [tx2, rx2] = oneshot<number>();
    const received = run(function* () {
      const handle = spawn(function* () {
        return yield* rx2;
      });
      yield* yieldNow();
      tx2.send(2);
      return yield* handle;
    });
    expect(await received).toBe(2);
    const [tx3, rx3] = oneshot<number>();
    tx3.send(3);
    expect(rx3.blockingRecv()).toBe(3);
  });

  test("rejects when the sender is closed unsent", () => {
    const [tx, rx] = oneshot<number>();
    const receive = task(rx);
    expect(receive.poll()).toBe(PENDING);
    tx[Symbol.dispose]();
    expect(receive.isWoken).toBe(true);
    expect(() => receive.poll()).toThrow(RecvError);
  });

  test("refuses a message when the receiver is gone, and closed() tells before", () => {
    const [tx1, rx1] = oneshot<number>();
    rx1[Symbol.dispose]();
    expect(errorOf(() => tx1.send(7), SendError).value).toBe(7);

    const [tx2, rx2] = oneshot<number>();
    const closed = task(tx2.closed());
    expect(closed.poll()).toBe(PENDING);
    rx2[Symbol.dispose]();
    expect(closed.isWoken).toBe(true);
    expect(tx2.isClosed).toBe(true);
    expect(closed.poll()).toBe(undefined);
    expect(codeOf(() => tx2.send(1))).toBe("TOKIWA_CLOSED");
  });

  test("wakes closed() from another task", async () => {
    const [tx, rx] = oneshot<void>();
    await run(async () => {
      spawn(() => rx[Symbol.dispose]());
      await tx.closed();
    });
    expect(tx.isClosed).toBe(true);
  });

  test("close() of the receiver leaves a message that was sent, for a poll", () => {
    const [tx1, rx1] = oneshot<number>();
    tx1.send(1);
    rx1.close();
    expect(task(rx1).poll()).toBe(1);

    const [tx2, rx2] = oneshot<number>();
    const closed = task(tx2.closed());
    const receive = task(rx2);
    expect(closed.poll()).toBe(PENDING);
    rx2.close();
    expect(closed.isWoken).toBe(true);
    expect(tx2.isClosed).toBe(true);
    expect(closed.poll()).toBe(undefined);
    expect(() => tx2.send(1)).toThrow(SendError);
    expect(() => receive.poll()).toThrow(RecvError);
  });

  test("close() of the receiver leaves a message that was sent, for a tryRecv()", () => {
    const [tx1, rx1] = oneshot<number>();
    tx1.send(1);
    rx1.close();
    expect(rx1.tryRecv()).toBe(1);

    const [tx2, rx2] = oneshot<number>();
    const closed = task(tx2.closed());
    expect(closed.poll()).toBe(PENDING);
    rx2.close();
    expect(closed.isWoken).toBe(true);
    expect(closed.poll()).toBe(undefined);
    expect(() => tx2.send(1)).toThrow(SendError);
    expect(codeOf(() => rx2.tryRecv())).toBe("TOKIWA_CLOSED");
  });

  test("is over after a tryRecv() that said so: polling it is a mistake", () => {
    const [, rx] = oneshot<number>();
    rx.close();
    expect(() => rx.tryRecv()).toThrow(TryRecvError);
    expect(codeOf(() => task(rx).poll())).toBe("TOKIWA_COMPLETED");
  });

  test("may be closed and asked again after the message was taken", () => {
    const [tx, rx] = oneshot<number>();
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
    tx.send(17);
    expect(rx.tryRecv()).toBe(17);
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_CLOSED");
    rx.close();

    const [tx2, rx2] = oneshot<number>();
    tx2.send(17);
    expect(task(rx2).poll()).toBe(17);
    expect(codeOf(() => rx2.tryRecv())).toBe("TOKIWA_CLOSED");
    rx2.close();
    rx2[Symbol.dispose]();
  });

  test("wakes the task that polled last", () => {
    const [tx, rx] = oneshot<number>();
    const first = task(rx);
    const second = task(rx);
    expect(first.poll()).toBe(PENDING);
    expect(second.poll()).toBe(PENDING);
    tx.send(1);
    expect([first.isWoken, second.isWoken]).toEqual([false, true]);
    expect(second.poll()).toBe(1);
  });

  test("wakes the task that polled closed() last", () => {
    const [tx, rx] = oneshot<number>();
    const closed = tx.closed();
    const first = task(closed);
    const second = task(closed);
    expect(first.poll()).toBe(PENDING);
    expect(second.poll()).toBe(PENDING);
    rx[Symbol.dispose]();
    expect([first.isWoken, second.isWoken]).toEqual([false, true]);
    expect(second.poll()).toBe(undefined);
  });
});

describe("isTerminated and isEmpty", () => {
  const state = (rx: OneshotReceiver<number>): [boolean, boolean] => [rx.isTerminated, rx.isEmpty];

  test("of a message that is polled, or taken", () => {
    for (const take of [(rx: OneshotReceiver<number>) => task(rx).poll(), (rx: OneshotReceiver<number>) => rx.tryRecv()]) {
      const [tx, rx] = oneshot<number>();
      expect(state(rx)).toEqual([false, true]);
      tx.send(17);
      expect(state(rx)).toEqual([false, false]);
      expect(take(rx)).toBe(17);
      expect(state(rx)).toEqual([true, true]);
    }
  });

  test("of a sender that is closed unsent", () => {
    const [tx, rx] = oneshot<number>();
    tx.close();
    expect(state(rx)).toEqual([false, true]);
    expect(() => task(rx).poll()).toThrow(RecvError);
    expect(state(rx)).toEqual([true, true]);
  });

  test("of a receiver that is closed", () => {
    const [, rx] = oneshot<number>();
    rx.close();
    expect(state(rx)).toEqual([false, true]);
    expect(() => task(rx).poll()).toThrow(RecvError);
    expect(state(rx)).toEqual([true, true]);
  });
});

describe("a receiver is borrowed by what waits for it", () => {
  test("losing a select leaves it open, with its message", async () => {
    const [tx, rx] = oneshot<number>();
    const [other, quick] = oneshot<string>();
    other.send("first");
    expect(await select({ slow: rx, quick }, { biased: true })).toEqual({ name: "quick", value: "first" });
    expect(tx.isClosed).toBe(false);
    tx.send(5);
    expect(await rx).toBe(5);
  });

  test("an aborted task leaves it open", async () => {
    for (const wait of [
      async (rx: OneshotReceiver<number>) => await rx,
      function* (rx: OneshotReceiver<number>) {
        return yield* rx;
      },
    ]) {
      const [tx, rx] = oneshot<number>();
      await run(function* () {
        const waiting = spawn(wait as (rx: OneshotReceiver<number>) => Promise<number>, rx);
        yield* yieldNow();
        waiting.abort();
        expect((yield* waiting.result()).status).toBe("cancelled");
      });
      expect(tx.isClosed).toBe(false);
      tx.send(6);
      expect(await rx).toBe(6);
    }
  });

  test("a timeout leaves it open", async () => {
    const [tx, rx] = oneshot<number>();
    await expect(run(() => timeout(0, rx))).rejects.toMatchObject({ code: "TOKIWA_ELAPSED" });
    expect(tx.isClosed).toBe(false);
  });

  test("spawning it gives it away: an abort closes it", async () => {
    const [tx, rx] = oneshot<number>();
    await run(function* () {
      const handle = spawn(rx);
      yield* yieldNow();
      handle.abort();
      yield* tx.closed();
    });
    expect(tx.isClosed).toBe(true);
  });
});

describe("misuse", () => {
  test("sending twice, or after close, gives the message back", () => {
    const [tx] = oneshot<number>();
    tx.send(1);
    expect(errorOf(() => tx.send(2), SendError)).toMatchObject({ code: "TOKIWA_CLOSED", value: 2 });
    tx.close();
    const [closed] = oneshot<number>();
    closed.close();
    closed.close();
    expect(errorOf(() => closed.send(3), SendError).value).toBe(3);
  });

  test("awaiting it twice is told", async () => {
    const [tx, rx] = oneshot<number>();
    tx.send(1);
    expect(await rx).toBe(1);
    await expect(rx).rejects.toMatchObject({ code: "TOKIWA_COMPLETED" });
  });

  test("blockingRecv() inside a task throws", async () => {
    const [tx, rx] = oneshot<number>();
    tx.send(1);
    const runtime = new Runtime();
    await expect(runtime.run(async () => rx.blockingRecv())).rejects.toBeInstanceOf(ContextError);
    expect(rx.blockingRecv()).toBe(1);
    await runtime.shutdown();
  });

  test("undefined, null and a promise are messages like others", async () => {
    const rejected = Promise.reject(new Error("inside"));
    rejected.catch(() => {});
    for (const value of [undefined, null, rejected]) {
      const [tx, rx] = oneshot<unknown>();
      tx.send(value);
      expect(rx.isEmpty).toBe(false);
      expect(rx.tryRecv()).toBe(value);
    }
    const [tx, rx] = oneshot<unknown>();
    tx.send(rejected);
    await run(function* () {
      const value = yield* rx;
      expect(value).toBe(rejected);
      yield* fromPromise(Promise.resolve());
    });
  });
});

// Of Tokio's file, without meaning here: drops_tasks and the counts in *_changes_task (wakers are not counted, and
// memory is the collector's), AssertSend.
