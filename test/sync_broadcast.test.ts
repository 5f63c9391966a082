// broadcast, after tokio/tests/sync_broadcast.rs.

import { describe, expect, test } from "vitest";
import { broadcast, type BroadcastReceiver, BroadcastSender, ContextError, LaggedError, OptionError, PENDING, RecvError, run, select, SendError, spawn, TokiwaError, TryRecvError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { codeOf, errorOf } from "./support/errors.ts";

const isEmpty = (rx: BroadcastReceiver<unknown>): void => expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
const isClosed = (rx: BroadcastReceiver<unknown>): void => expect(errorOf(() => rx.tryRecv(), TryRecvError).code).toBe("TOKIWA_CLOSED");
const lags = (rx: BroadcastReceiver<unknown>, skipped: number): void => expect(errorOf(() => rx.tryRecv(), LaggedError)).toMatchObject({ code: "TOKIWA_LAGGED", skipped });
/** Receives exactly these. */
function gets<T>(rx: BroadcastReceiver<T>, ...values: T[]): void {
  for (const value of values) expect(rx.tryRecv()).toBe(value);
}

describe("sending and receiving", () => {
  test("every receiver gets a message once", () => {
    const [tx, rx1] = broadcast<string>(16);
    const rx2 = tx.subscribe();
    isEmpty(rx1);
    expect(tx.send("hello")).toBe(2);
    gets(rx1, "hello");
    gets(rx2, "hello");
    isEmpty(rx1);
    isEmpty(rx2);
  });

  test("a message wakes those that wait, and is there for those that ask later", () => {
    const [tx, rx1] = broadcast<string>(16);
    const rx2 = tx.subscribe();
    const a1 = task(rx1.recv());
    const a2 = task(rx2.recv());
    expect([a1.poll(), a2.poll()]).toEqual([PENDING, PENDING]);
    tx.send("hello");
    expect([a1.isWoken, a2.isWoken]).toEqual([true, true]);
    expect([a1.poll(), a2.poll()]).toEqual(["hello", "hello"]);

    const b1 = task(rx1.recv());
    const b2 = task(rx2.recv());
    expect(b1.poll()).toBe(PENDING);
    tx.send("world");
    expect([b1.isWoken, b2.isWoken]).toEqual([true, false]);
    expect([b1.poll(), b2.poll()]).toEqual(["world", "world"]);
  });

  test("wakes the task that polled last", () => {
    const [tx, rx] = broadcast<string>(1);
    const receive = rx.recv();
    const first = task(receive);
    const second = task(receive);
    expect([first.poll(), second.poll()]).toEqual([PENDING, PENDING]);
    tx.send("hello");
    expect(second.isWoken).toBe(true);
    expect(second.poll()).toBe("hello");
  });

  test("a slow receiver gets the same messages later", () => {
    const [tx, rx1] = broadcast<string>(16);
    const rx2 = tx.subscribe();
    const slow = task(rx2.recv());
    const first = task(rx1.recv());
    expect([first.poll(), slow.poll()]).toEqual([PENDING, PENDING]);
    tx.send("one");
    expect([first.isWoken, slow.isWoken]).toEqual([true, true]);
    tx.send("two");
    expect(first.poll()).toBe("one");
    expect(task(rx1.recv()).poll()).toBe("two");
    const third = task(rx1.recv());
    expect(third.poll()).toBe(PENDING);
    tx.send("three");
    expect(third.isWoken).toBe(true);
    expect(third.poll()).toBe("three");
    expect(slow.poll()).toBe("one");
    gets(rx2, "two", "three");
  });

  test("sending without a receiver fails, and works again after a subscription", () => {
    const [tx, rx] = broadcast<string>(16);
    rx.close();
    expect(errorOf(() => tx.send("hello"), SendError)).toMatchObject({ code: "TOKIWA_CLOSED", value: "hello" });
    const again = tx.subscribe();
    tx.send("world");
    gets(again, "world");
  });

  test("tasks of all kinds receive", async () => {
    const sums = await run(async () => {
      const [tx, rx] = broadcast<number>(128);
      const second = tx.subscribe();
      const iterating = spawn(async () => {
        let sum = 0;
        for await (const value of rx) sum += value;
        return sum;
      });
      const generating = spawn(function* () {
        let sum = 0;
        for (;;) {
          try {
            sum += yield* second.recv();
          } catch (error) {
            expect(error).toBeInstanceOf(RecvError);
            return sum;
          }
        }
      });
      for (let i = 1; i <= 100; i++) {
        tx.send(i);
        if (i % 10 === 0) await yieldNow();
      }
      tx.close();
      return [await iterating, await generating];
    });
    expect(sums).toEqual([5050, 5050]);
  });
});

describe("closing", () => {
  test("the last sender's close wakes the receivers with an error", () => {
    const [tx, rx1] = broadcast<void>(16);
    const rx2 = tx.subscribe();
    const tx2 = tx.clone();
    const receives = [task(rx1.recv()), task(rx2.recv())];
    for (const receive of receives) expect(receive.poll()).toBe(PENDING);
    tx.close();
    tx.close();
    for (const receive of receives) expect(receive.poll()).toBe(PENDING);
    tx2.close();
    for (const receive of receives) {
      expect(receive.isWoken).toBe(true);
      expect(codeOf(() => receive.poll())).toBe("TOKIWA_CLOSED");
    }
  });

  test("what was sent before can still be received", () => {
    const [tx, rx] = broadcast<number>(2);
    tx.send(1);
    tx.send(2);
    tx.close();
    expect(rx.isClosed).toBe(true);
    gets(rx, 1, 2);
    isClosed(rx);
  });

  test("closing a receiver lets go of what only it had not seen", () => {
    const [tx, rx1] = broadcast<number>(16);
    const rx2 = tx.subscribe();
    tx.send(1);
    tx.send(2);
    gets(rx1, 1);
    expect(tx.length).toBe(2);
    rx2.close();
    rx2[Symbol.dispose]();
    expect([tx.length, tx.receiverCount]).toEqual([1, 1]);
    rx1.close();
    expect([tx.length, tx.isEmpty]).toEqual([0, true]);
  });

  test("closing a receiver ends its own waits, and no others", () => {
    const [tx, rx1] = broadcast<number>(16);
    const rx2 = tx.subscribe();
    const own = task(rx1.recv());
    const shared = task(rx1.recv());
    const other = task(rx2.recv());
    for (const receive of [own, shared, other]) expect(receive.poll()).toBe(PENDING);
    rx1.close();
    expect([own.isWoken, shared.isWoken]).toEqual([true, true]);
    expect(() => own.poll()).toThrow(RecvError);
    expect(() => shared.poll()).toThrow(RecvError);
    expect(other.poll()).toBe(PENDING);
    tx.send(1);
    expect(other.poll()).toBe(1);
  });

  test("closed() waits until there is no receiver, whoever subscribes meanwhile", () => {
    const [tx, rx1] = broadcast<void>(1);
    const rx2 = tx.subscribe();
    const closed = task(tx.closed());
    expect(closed.poll()).toBe(PENDING);
    rx1.close();
    expect(closed.isWoken).toBe(false);
    expect(closed.poll()).toBe(PENDING);
    rx2.close();
    expect(closed.isWoken).toBe(true);
    const rx3 = tx.subscribe();
    expect(closed.poll()).toBe(PENDING);
    rx3.close();
    expect(closed.isWoken).toBe(true);
    expect(closed.poll()).toBe(undefined);
    expect(task(tx.closed()).poll()).toBe(undefined);
    const rx4 = tx.subscribe();
    const again = task(tx.closed());
    expect(again.poll()).toBe(PENDING);
    rx4.close();
    expect(again.isWoken).toBe(true);
  });

  test("a sender made alone has no receiver", () => {
    const tx = new BroadcastSender<void>(1);
    expect(task(tx.closed()).poll()).toBe(undefined);
    tx.subscribe();
    expect(task(tx.closed()).poll()).toBe(PENDING);
  });
});

describe("lagging", () => {
  test("a receiver that stays within the capacity loses nothing", () => {
    const [tx, slow] = broadcast<number>(2);
    const fast = tx.subscribe();
    tx.send(1);
    tx.send(2);
    gets(fast, 1, 2);
    isEmpty(fast);
    gets(slow, 1, 2);
    isEmpty(slow);
  });

  test("tells how many were lost, then goes on with the oldest that is there", () => {
    const [tx, rx1] = broadcast<string>(2);
    const rx2 = tx.subscribe();
    tx.send("one");
    tx.send("two");
    gets(rx1, "one");
    tx.send("three");
    lags(rx2, 1);
    gets(rx2, "two");
    gets(rx1, "two", "three");
    tx.send("four");
    tx.send("five");
    lags(rx2, 1);
    tx.send("six");
    lags(rx2, 1);
  });

  test("counts every message that was overwritten", () => {
    const [tx, rx] = broadcast<number>(4);
    for (const value of [1, 2, 3, 4]) tx.send(value);
    gets(rx, 1);
    for (const value of [5, 6, 7, 8]) tx.send(value);
    lags(rx, 3);
    gets(rx, 5, 6, 7, 8);
    isEmpty(rx);
  });

  test("a capacity is rounded up to a power of two", () => {
    const [tx, rx] = broadcast<number>(3);
    for (const value of [1, 2, 3, 4]) tx.send(value);
    expect(rx.length).toBe(4);
    gets(rx, 1);
    tx.send(5);
    expect(rx.length).toBe(4);
    tx.send(6);
    expect(rx.length).toBe(5);
    lags(rx, 1);
    gets(rx, 3, 4, 5, 6);
    isEmpty(rx);
  });

  test("of a wait", async () => {
    const [tx, rx] = broadcast<number>(2);
    for (const value of [10, 20, 30]) tx.send(value);
    await expect(rx.recv()).rejects.toMatchObject({ code: "TOKIWA_LAGGED", skipped: 1, message: "channel lagged by 1" });
    expect([await rx.recv(), await rx.recv()]).toEqual([20, 30]);
  });

  test("of a loop, which may be begun again", async () => {
    const [tx, rx] = broadcast<number>(2);
    for (const value of [10, 20, 30]) tx.send(value);
    tx.close();
    const all: number[] = [];
    const loop = async () => {
      for await (const value of rx) all.push(value);
    };
    await expect(loop()).rejects.toBeInstanceOf(LaggedError);
    await loop();
    expect(all).toEqual([20, 30]);
  });

  test("again, after it was caught up with, or not", () => {
    const [tx, rx] = broadcast<number>(2);
    for (const value of [1, 2, 3]) tx.send(value);
    lags(rx, 1);
    gets(rx, 2, 3);
    isEmpty(rx);
    for (const value of [4, 5, 6]) tx.send(value);
    lags(rx, 1);
    for (const value of [7, 8, 9]) tx.send(value);        // 5 and 6, which it was to get, and 7 are gone
    lags(rx, 3);
    gets(rx, 8, 9);
  });

  test("is of each receiver by itself", () => {
    const [tx, slow] = broadcast<number>(2);
    const fast = tx.subscribe();
    tx.send(1);
    tx.send(2);
    gets(fast, 1, 2);
    tx.send(3);
    tx.send(4);
    gets(fast, 3, 4);
    lags(slow, 2);
    gets(slow, 3, 4);
    isEmpty(slow);
    isEmpty(fast);
  });

  test("with one slot", () => {
    const [tx, rx] = broadcast<number>(1);
    tx.send(1);
    gets(rx, 1);
    isEmpty(rx);
    tx.send(2);
    tx.send(3);
    lags(rx, 1);
    gets(rx, 3);
    isEmpty(rx);
    tx.send(4);
    tx.close();
    gets(rx, 4);
    isClosed(rx);
  });

  test("is told before the end of a closed channel", () => {
    for (const count of [3, 4]) {
      const [tx, rx] = broadcast<number>(2);
      for (let i = 1; i <= count; i++) tx.send(i);
      tx.close();
      lags(rx, count - 2);
      gets(rx, count - 1, count);
      isClosed(rx);
    }
  });

  test("length counts the lost ones until they were told", () => {
    const [tx, rx] = broadcast<number>(2);
    for (const value of [1, 2, 3, 4]) tx.send(value);
    expect(rx.length).toBe(4);
    lags(rx, 2);
    expect(rx.length).toBe(2);
    gets(rx, 3);
    expect(rx.length).toBe(1);
    gets(rx, 4);
    expect([rx.length, rx.isEmpty]).toEqual([0, true]);
  });
});

describe("resubscribe", () => {
  test("begins behind the last message, and disturbs nobody", () => {
    const [tx, rx] = broadcast<number>(3);
    tx.send(1);
    const other = rx.resubscribe();
    isEmpty(other);
    gets(rx, 1);
    tx.send(2);
    gets(other, 2);
    tx.send(3);
    gets(rx, 2, 3);
    isEmpty(rx);
    gets(other, 3);
    isEmpty(other);
  });

  test("has not lost what the first has", () => {
    const [tx, rx] = broadcast<number>(1);
    tx.send(1);
    tx.send(2);
    const other = rx.resubscribe();
    lags(rx, 1);
    isEmpty(other);
    gets(rx, 2);
    isEmpty(rx);
  });

  test("of a closed channel is closed", () => {
    const [tx, rx] = broadcast<number>(2);
    tx.close();
    isClosed(rx.resubscribe());
  });
});

describe("what can be asked", () => {
  test("length of a sender is what the slowest receiver has not seen", () => {
    const [tx, rx1] = broadcast<number>(4);
    const rx2 = tx.subscribe();
    expect([tx.length, tx.isEmpty]).toEqual([0, true]);
    for (const value of [1, 2, 3]) tx.send(value);
    expect([tx.length, tx.isEmpty]).toEqual([3, false]);
    gets(rx1, 1, 2);
    expect(tx.length).toBe(3);
    gets(rx2, 1);
    expect(tx.length).toBe(2);
    for (const value of [4, 5, 6]) tx.send(value);
    expect(tx.length).toBe(4);
  });

  test("sameChannel", () => {
    const [tx, rx] = broadcast<number>(1);
    const [tx2, rx2] = broadcast<number>(1);
    expect([tx.sameChannel(tx.clone()), tx.sameChannel(tx2), rx.sameChannel(rx.resubscribe()), rx.sameChannel(rx2)]).toEqual([true, false, true, false]);
    for (const other of [undefined, null, 1, {}]) {
      expect(() => tx.sameChannel(other as never)).toThrow(/^other must be another BroadcastSender, got /);
      expect(() => rx.sameChannel(other as never)).toThrow(/^other must be another BroadcastReceiver, got /);
    }
  });
});

describe("other hands", () => {
  test("a loop over ready messages lets others have turns", async () => {
    await run(function* () {
      const [tx, rx] = broadcast<void>(8);
      const busy = spawn(function* () {
        for (;;) {
          tx.send();
          yield* rx.recv();
        }
      });
      yield* select({ busy, other: yieldNow() }, { biased: true });
      busy.abort();
    });
  });

  test("a waker that sends while it is woken does no harm", () => {
    const [tx, rx] = broadcast<number>(16);
    const receive = rx.recv();
    expect(receive.poll({ wake: () => void tx.send(2) })).toBe(PENDING);
    tx.send(1);
    gets(rx, 1, 2);
  });

  test("blockingRecv() runs the tasks of this thread, and refuses inside one", async () => {
    const [tx, rx] = broadcast<number>(4);
    spawn(() => tx.send(5));
    expect(rx.blockingRecv()).toBe(5);
    await expect(run(async () => rx.blockingRecv())).rejects.toBeInstanceOf(ContextError);
  });

  test("a receiver as a stream", async () => {
    const [tx, rx] = broadcast<number>(4);
    const reader = rx.toWeb().getReader();
    tx.send(1);
    expect((await reader.read()).value).toBe(1);
    await reader.cancel();
    expect(tx.receiverCount).toBe(0);
  });
});

describe("misuse", () => {
  test("capacities that are none", () => {
    for (const capacity of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 30 + 1, "3", undefined]) {
      expect(() => broadcast(capacity as number)).toThrow(OptionError);
      expect(() => new BroadcastSender(capacity as number)).toThrow("capacity must be an integer from 1 to 1073741824, got ");
    }
    broadcast(2 ** 30);
  });

  test("a closed sender refuses", () => {
    const [tx, rx] = broadcast<number>(2);
    const open = tx.clone();
    tx.close();
    expect(errorOf(() => tx.send(1), SendError).value).toBe(1);
    expect(errorOf(() => tx.clone(), TokiwaError).code).toBe("TOKIWA_CLOSED");
    open.send(2);
    gets(rx, 2);
  });

  test("a closed receiver gives nothing", async () => {
    const [tx, rx] = broadcast<number>(2);
    tx.send(1);
    rx.close();
    isClosed(rx);
    await expect(rx.recv()).rejects.toBeInstanceOf(RecvError);
    expect([rx.length, rx.isClosed]).toEqual([0, true]);
    for await (const _ of rx) throw new Error("nothing may come");
  });

  test("undefined is a message like others", () => {
    const [tx, rx] = broadcast<undefined>(2);
    tx.send(undefined);
    expect(rx.length).toBe(1);
    gets(rx, undefined);
    isEmpty(rx);
  });
});

// Of Tokio's file, without meaning here: AssertSend, panic_in_clone (messages are not cloned: every receiver gets the same value),
// the first half of send_in_waker_drop (wakers have no destructors). sender_len_random is in sync_channels_model.test.ts.
