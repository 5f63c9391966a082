// watch, after tokio/tests/sync_watch.rs.

import { describe, expect, test } from "vitest";
import { lazy, OptionError, PENDING, RecvError, run, select, SendError, spawn, TokiwaError, watch, type WatchReceiver, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { errorOf } from "./support/errors.ts";

/** Whether changed() is ready now. */
const isChanged = (rx: WatchReceiver<unknown>): boolean => {
  const changed = task(rx.changed());
  const value = changed.poll();
  changed.drop();
  return value !== PENDING;
};

describe("a watched value", () => {
  test("changed() waits for a new value, and fails when the sender is closed", () => {
    const [tx, rx] = watch("one");
    expect(isChanged(rx)).toBe(false);
    expect(rx.borrow()).toBe("one");
    const second = task(rx.changed());
    expect(second.poll()).toBe(PENDING);
    tx.send("two");
    expect(second.isWoken).toBe(true);
    expect(second.poll()).toBe(undefined);
    expect(rx.borrow()).toBe("two");
    const third = task(rx.changed());
    expect(third.poll()).toBe(PENDING);
    tx.close();
    expect(third.isWoken).toBe(true);
    expect(() => third.poll()).toThrow(RecvError);
    expect(rx.borrow()).toBe("two");
  });

  test("markChanged() lets it count as not seen", () => {
    const [tx, rx] = watch("one");
    const rx2 = rx.clone();
    const rx3 = rx.clone();
    const rx4 = rx.clone();
    rx.markChanged();
    rx.markChanged();
    expect([rx.hasChanged, isChanged(rx), rx.hasChanged]).toEqual([true, true, false]);
    expect([rx2.hasChanged, isChanged(rx2)]).toEqual([false, false]);
    rx3.markChanged();
    expect([rx3.borrow(), rx3.hasChanged]).toEqual(["one", true]);
    expect([rx3.borrowAndUpdate(), rx3.hasChanged, isChanged(rx3)]).toEqual(["one", false, false]);
    tx.send("two");
    expect([rx4.hasChanged, rx4.borrowAndUpdate()]).toEqual([true, "two"]);
    rx4.markChanged();
    expect([rx4.hasChanged, rx4.borrowAndUpdate()]).toEqual([true, "two"]);
  });

  test("markUnchanged() lets it count as seen", () => {
    const [tx, rx] = watch("one");
    const rx2 = rx.clone();
    rx.markChanged();
    expect(rx.hasChanged).toBe(true);
    rx.markUnchanged();
    expect([rx.hasChanged, isChanged(rx)]).toEqual([false, false]);
    tx.send("two");
    expect(rx2.hasChanged).toBe(true);
    rx2.markUnchanged();
    expect([rx2.hasChanged, rx2.borrowAndUpdate()]).toEqual([false, "two"]);
  });

  test("every receiver sees the latest, not every one", () => {
    const [tx, rx1] = watch("one");
    const rx2 = rx1.clone();
    const slow = task(rx2.changed());
    const fast = task(rx1.changed());
    expect([fast.poll(), slow.poll()]).toEqual([PENDING, PENDING]);
    tx.send("two");
    expect([fast.isWoken, slow.isWoken]).toEqual([true, true]);
    expect(fast.poll()).toBe(undefined);
    const again = task(rx1.changed());
    expect(again.poll()).toBe(PENDING);
    tx.send("three");
    expect([again.isWoken, slow.isWoken]).toEqual([true, true]);
    expect([again.poll(), slow.poll()]).toEqual([undefined, undefined]);
    expect([rx1.borrow(), rx2.borrow()]).toEqual(["three", "three"]);
    expect(isChanged(rx2)).toBe(false);
  });

  test("the last value is seen before the end", () => {
    const [tx, rx] = watch("one");
    tx.send("two");
    expect(isChanged(rx)).toBe(true);
    const changed = task(rx.changed());
    expect(changed.poll()).toBe(PENDING);
    tx.send("three");
    tx.close();
    expect(changed.isWoken).toBe(true);
    expect(changed.poll()).toBe(undefined);
    expect(rx.borrow()).toBe("three");
    expect(() => task(rx.changed()).poll()).toThrow(RecvError);
    expect(rx.borrow()).toBe("three");
  });

  test("closed() waits until there is no receiver; sending fails then", () => {
    const [tx, rx] = watch("one");
    const closed = task(tx.closed());
    expect(closed.poll()).toBe(PENDING);
    rx.close();
    rx[Symbol.dispose]();
    expect(closed.isWoken).toBe(true);
    expect(closed.poll()).toBe(undefined);
    expect(errorOf(() => tx.send("two"), SendError)).toMatchObject({ code: "TOKIWA_CLOSED", value: "two" });
    expect(tx.borrow()).toBe("one");
  });

  test("borrowAndUpdate() is what changed() does not report any more", async () => {
    const [tx, rx] = watch("one");
    expect(rx.hasChanged).toBe(false);
    tx.send("two");
    expect([rx.hasChanged, isChanged(rx), isChanged(rx), rx.hasChanged]).toEqual([true, true, false, false]);
    tx.send("three");
    expect([rx.hasChanged, rx.borrowAndUpdate(), isChanged(rx), rx.hasChanged]).toEqual([true, "three", false, false]);
    tx.close();
    expect(rx.borrowAndUpdate()).toBe("three");
    await expect(rx.changed()).rejects.toBeInstanceOf(RecvError);
    expect(() => rx.hasChanged).toThrow(RecvError);
  });

  test("a subscription opens it again", () => {
    const [tx, rx] = watch("one");
    expect(tx.isClosed).toBe(false);
    rx.close();
    expect(tx.isClosed).toBe(true);
    const again = tx.subscribe();
    expect([tx.isClosed, tx.receiverCount, again.hasChanged]).toEqual([false, 1, false]);
    again.close();
    expect(tx.isClosed).toBe(true);
  });

  test("several senders: each change is one, and the end comes with the last", () => {
    const [tx1, rx] = watch(0);
    const tx2 = tx1.clone();
    const both = task(
      lazy(function* () {
        yield* rx.changed();
        const first = rx.borrowAndUpdate();
        yield* rx.changed();
        return [first, rx.borrowAndUpdate()];
      }),
    );
    tx1.send(1);
    expect(both.poll()).toBe(PENDING);
    tx2.send(2);
    expect(both.poll()).toEqual([1, 2]);
    const changed = task(rx.changed());
    expect(changed.poll()).toBe(PENDING);
    tx1.close();
    tx1.close();
    expect(changed.isWoken).toBe(false);
    tx2.close();
    expect(changed.isWoken).toBe(true);
  });

  test("hasChanged throws if and only if it is closed, also with a value that was not seen", async () => {
    const [tx, rx] = watch("A");
    tx.send("B");
    tx.close();
    expect(() => rx.hasChanged).toThrow(RecvError);
    await rx.changed();
    await expect(rx.changed()).rejects.toBeInstanceOf(RecvError);
  });
});

describe("sendModify, sendIfModified, sendReplace", () => {
  test("a modification that throws tells nobody, and leaves what it has changed in place", () => {
    const [tx, rx] = watch({ text: "one" });
    tx.sendModify((value) => void (value.text = "two"));
    expect(rx.borrowAndUpdate().text).toBe("two");
    const changed = task(rx.changed());
    expect(changed.poll()).toBe(PENDING);
    expect(() =>
      tx.sendModify((value) => {
        value.text = "thrown";
        throw new Error("in f");
      }),
    ).toThrow("in f");
    expect([changed.isWoken, rx.borrow().text]).toEqual([false, "thrown"]);
    tx.sendModify(() => ({ text: "three" }));
    expect(changed.isWoken).toBe(true);
    expect(rx.borrowAndUpdate().text).toBe("three");
  });

  test("sendIfModified() tells only of what was modified", () => {
    const [tx, rx] = watch(1);
    expect([tx.sendIfModified(() => false), rx.hasChanged]).toEqual([false, false]);
    expect([tx.sendIfModified((v) => ({ value: v + 1 })), rx.hasChanged, rx.borrowAndUpdate()]).toEqual([true, true, 2]);
    expect([tx.sendIfModified(() => true), rx.hasChanged, rx.borrow()]).toEqual([true, true, 2]);
    expect(() =>
      tx.sendIfModified(() => {
        throw new Error("in f");
      }),
    ).toThrow("in f");
  });

  test("sendReplace() gives the value before, and sets it also without a receiver", () => {
    const [tx, rx] = watch(1);
    expect([tx.sendReplace(2), rx.borrow()]).toEqual([1, 2]);
    rx.close();
    expect([tx.sendReplace(3), tx.borrow(), tx.subscribe().borrow()]).toEqual([2, 3, 3]);
    tx.sendModify((v) => v + 1);
    expect(tx.borrow()).toBe(4);
  });
});

describe("waitFor", () => {
  test("looks at the current value first, then at each that comes", async () => {
    const [tx, rx] = watch(1);
    expect(await rx.waitFor((v) => v === 1)).toBe(1);
    const looked: number[] = [];
    const waiting = task(rx.waitFor((v) => (looked.push(v), v >= 3)));
    expect(waiting.poll()).toBe(PENDING);
    tx.send(2);
    expect(waiting.poll()).toBe(PENDING);
    tx.send(3);
    expect(waiting.poll()).toBe(3);
    expect(looked).toEqual([1, 2, 3]);
    expect(rx.hasChanged).toBe(false);
  });

  test("succeeds on a closed channel whose last value is accepted, and fails on another", async () => {
    const [tx, rx] = watch("A");
    tx.send("B");
    tx.close();
    expect(await rx.waitFor((v) => v === "B")).toBe("B");
    await expect(rx.waitFor((v) => v === "A")).rejects.toBeInstanceOf(RecvError);
  });

  test("rejects with what the predicate throws", async () => {
    const [, rx] = watch("A");
    await expect(
      rx.waitFor(() => {
        throw new Error("in f");
      }),
    ).rejects.toThrow("in f");
  });

  test("a predicate that sends is asked again, in a turn of its own", async () => {
    const value = await run(function* () {
      const [tx, rx] = watch(0);
      return yield* rx.waitFor((v) => {
        if (v < 5) tx.send(v + 1);
        return v === 5;
      });
    });
    expect(value).toBe(5);
  });
});

describe("every operation spends budget, also when it fails", () => {
  const operations = {
    "changed() that fails": () => {
      const [tx, rx] = watch(0);
      tx.close();
      return () => rx.changed();
    },
    "changed() that succeeds": () => {
      const [tx, rx] = watch(0);
      return () => (tx.send(1), rx.changed());
    },
    "waitFor() that fails": () => {
      const [tx, rx] = watch(0);
      tx.close();
      return () => rx.waitFor((v) => v === 1);
    },
    "waitFor() that succeeds": () => {
      const [tx, rx] = watch(0);
      return () => (tx.send(1), rx.waitFor((v) => v === 1));
    },
    "closed()": () => {
      const [tx, rx] = watch(0);
      rx.close();
      return () => tx.closed();
    },
  };
  test.each(Object.entries(operations))("%s", async (_, make) => {
    const operation = make();
    const busy = lazy(function* () {
      for (;;) {
        try {
          yield* operation() as ReturnType<typeof yieldNow>;
        } catch (error) {
          expect(error).toBeInstanceOf(RecvError);
        }
      }
    });
    expect((await run(() => select({ busy, other: yieldNow() }, { biased: true }))).name).toBe("other");
  });
});

describe("other hands", () => {
  test("a loop sees the current value, then what is new at each step, until the end", async () => {
    const seen = await run(async () => {
      const [tx, rx] = watch(0);
      const watching = spawn(async () => {
        const all: number[] = [];
        for await (const value of rx) all.push(value);
        return all;
      });
      await yieldNow();
      tx.send(1);
      tx.send(2);
      await yieldNow();
      tx.send(3);
      tx.close();
      return watching;
    });
    expect(seen).toEqual([0, 2, 3]);
  });

  test("a receiver as a stream", async () => {
    const [tx, rx] = watch("a");
    const reader = rx.toWeb().getReader();
    expect((await reader.read()).value).toBe("a");
    const next = reader.read();
    tx.send("b");
    expect((await next).value).toBe("b");
    await reader.cancel();
    expect(tx.isClosed).toBe(true);
  });

  test("closing a receiver ends its own waits, and no others", () => {
    const [tx, rx1] = watch(0);
    const rx2 = rx1.clone();
    const own = task(rx1.changed());
    const other = task(rx2.changed());
    expect([own.poll(), other.poll()]).toEqual([PENDING, PENDING]);
    rx1.close();
    expect([own.isWoken, other.isWoken]).toEqual([true, false]);
    expect(() => own.poll()).toThrow(RecvError);
    tx.send(1);
    expect(other.poll()).toBe(undefined);
    expect(tx.receiverCount).toBe(1);
  });

  test("sameChannel", () => {
    const [tx, rx] = watch(0);
    expect([tx.sameChannel(tx.clone()), rx.sameChannel(rx.clone()), rx.sameChannel(watch(0)[1])]).toEqual([true, true, false]);
    for (const other of [undefined, null, 1, {}]) {
      expect(() => tx.sameChannel(other as never)).toThrow(/^other must be another WatchSender, got /);
      expect(() => rx.sameChannel(other as never)).toThrow(/^other must be another WatchReceiver, got /);
    }
  });
});

describe("misuse", () => {
  test("functions that are none", () => {
    const [tx, rx] = watch(0);
    for (const f of [undefined, 1, {}] as never[]) {
      for (const call of [() => tx.sendModify(f), () => tx.sendIfModified(f), () => rx.waitFor(f)]) expect(call).toThrow(OptionError);
    }
  });

  test("a closed sender refuses", () => {
    const [tx, rx] = watch(0);
    const open = tx.clone();
    tx.close();
    expect(errorOf(() => tx.send(1), SendError).value).toBe(1);
    expect(errorOf(() => tx.sendReplace(2), SendError).value).toBe(2);
    expect(() => tx.sendModify(() => 3)).toThrow(SendError);
    expect(() => tx.sendIfModified(() => true)).toThrow(SendError);
    expect(errorOf(() => tx.clone(), TokiwaError).code).toBe("TOKIWA_CLOSED");
    expect(rx.hasChanged).toBe(false);
    open.send(4);
    expect(rx.borrow()).toBe(4);
  });

  test("a closed receiver waits for nothing", async () => {
    const [tx, rx] = watch(0);
    rx.close();
    tx.sendReplace(1);
    await expect(rx.changed()).rejects.toBeInstanceOf(RecvError);
    await expect(rx.waitFor(() => true)).rejects.toBeInstanceOf(RecvError);
    expect(() => rx.hasChanged).toThrow(RecvError);
    for await (const _ of rx) throw new Error("nothing may come");
  });
});

// Of Tokio's file, without meaning here: rx_version_underflow counts wrapping integers (ours is a number; marking twice is tested above).
