// After tokio-util/tests/sync_cancellation_token.rs, then what is JavaScript's own.

import { CancellationToken, type Future, future, lazy, OptionError, PENDING, run, sleep, spawn, taskBuilder, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";
import { collectGarbage } from "./support/lanes.ts";

/** A waker that counts, and a poll of a future with it. */
function counter(): { wakes: number; wake(): void } {
  return {
    wakes: 0,
    wake() {
      this.wakes++;
    },
  };
}

describe("as in Tokio", () => {
  test("cancelling wakes who waits, and is seen by who comes later", () => {
    const waker = counter();
    const token = new CancellationToken();
    expect(token.isCancelled).toBe(false);
    const first = token.cancelled();
    expect(first.poll(waker)).toBe(PENDING);
    const second = token.cancelled();
    token.cancel();
    expect([waker.wakes, token.isCancelled]).toEqual([1, true]);
    expect([first.poll(waker), second.poll(waker)]).toEqual([undefined, undefined]);
  });

  test("a wait that is dropped is not woken", () => {
    const waker = counter();
    const token = new CancellationToken();
    const waiting = token.cancelled();
    waiting.poll(waker);
    waiting[Symbol.dispose]();
    token.cancel();
    expect(waker.wakes).toBe(0);
  });

  test("a child is cancelled through its parent", () => {
    const waker = counter();
    const token = new CancellationToken();
    const child = token.child();
    const waits = [child.cancelled(), token.cancelled()];
    for (const wait of waits) expect(wait.poll(waker)).toBe(PENDING);
    token.cancel();
    expect([waker.wakes, token.isCancelled, child.isCancelled]).toEqual([2, true, true]);
    for (const wait of waits) expect(wait.poll(waker)).toBe(undefined);
  });

  test("a grandchild is cancelled though nobody holds the child", () => {
    const waker = counter();
    const token = new CancellationToken();
    const grandchild = (() => token.child().child())();
    collectGarbage();
    const waits = [grandchild.cancelled(), token.cancelled()];
    for (const wait of waits) wait.poll(waker);
    collectGarbage();
    token.cancel();
    expect([waker.wakes, grandchild.isCancelled]).toEqual([2, true]);
  });

  test("a child is cancelled without its parent", () => {
    const waker = counter();
    const token = new CancellationToken();
    const child = token.child();
    const childWait = child.cancelled();
    const wait = token.cancelled();
    childWait.poll(waker);
    wait.poll(waker);
    child.cancel();
    expect([waker.wakes, token.isCancelled, child.isCancelled]).toEqual([1, false, true]);
    expect([childWait.poll(waker), wait.poll(waker)]).toEqual([undefined, PENDING]);
    const second = token.child();
    const secondWait = second.cancelled();
    expect(secondWait.poll(waker)).toBe(PENDING);
    token.cancel();
    expect([waker.wakes, second.isCancelled]).toEqual([3, true]);
    expect([secondWait.poll(waker), wait.poll(waker)]).toEqual([undefined, undefined]);
  });

  test("a child of a cancelled token is cancelled", () => {
    const waker = counter();
    const token = new CancellationToken();
    token.cancel();
    const child = token.child();
    expect(child.isCancelled).toBe(true);
    expect([child.cancelled().poll(waker), token.cancelled().poll(waker), waker.wakes]).toEqual([undefined, undefined, 0]);
  });

  test("children may be disposed of in any order, and nothing is cancelled by that", () => {
    for (const order of [[0, 1, 2], [2, 1, 0]]) {
      const token = new CancellationToken();
      const children = [token.child(), token.child(), token.child()];
      for (const child of children) void child.signal;
      for (const at of order) {
        children[at]?.[Symbol.dispose]();
        expect([token.isCancelled, ...children.map((child) => child.isCancelled)]).toEqual([false, false, false, false]);
      }
      token[Symbol.dispose]();
      expect(children[0]?.isCancelled).toBe(false);
    }
  });

  test("only and all descendants are cancelled", () => {
    const waker = counter();
    const parent = new CancellationToken();
    const token = parent.child();
    const sibling = parent.child();
    const child1 = token.child();
    const child2 = token.child();
    const grandchild1 = child1.child();
    const grandchild2 = child1.child();
    const great = grandchild1.child();
    const below = [token, child1, child2, grandchild1, grandchild2, great];
    const waits = below.map((t) => t.cancelled());
    const others = [parent.cancelled(), sibling.cancelled()];
    for (const wait of [...waits, ...others]) expect(wait.poll(waker)).toBe(PENDING);
    token.cancel();
    expect(waker.wakes).toBe(6);
    expect([parent.isCancelled, sibling.isCancelled]).toEqual([false, false]);
    expect(below.every((t) => t.isCancelled)).toBe(true);
    for (const wait of waits) expect(wait.poll(waker)).toBe(undefined);
    for (const wait of others) expect(wait.poll(waker)).toBe(PENDING);
    expect(waker.wakes).toBe(6);
  });

  test("runUntilCancelled gives the value, or undefined once cancelled", () => {
    const token = new CancellationToken();
    let drops = 0;
    const never = task(token.runUntilCancelled(future(() => PENDING, () => drops++)));
    expect(never.poll()).toBe(PENDING);
    let isReady = false;
    const value = task(token.runUntilCancelled(future<number>(() => (isReady ? 42 : PENDING))));
    expect(value.poll()).toBe(PENDING);
    isReady = true;
    expect(value.poll()).toBe(42);
    token.cancel();
    expect(never.isWoken).toBe(true);
    expect(never.poll()).toBe(undefined);
    expect(drops).toBe(1);
  });

  test("runUntilCancelled of a cancelled token does not poll the future", () => {
    const token = new CancellationToken();
    let drops = 0;
    const block = task(token.runUntilCancelled(future(() => { throw new Error("polled"); }, () => drops++)));
    token.cancel();
    expect(block.poll()).toBe(undefined);
    expect(drops).toBe(1);
  });
});

describe("as tokio-util documents", () => {
  test("a drop guard cancels at the end of its block, unless it is disarmed", () => {
    const token = new CancellationToken();
    {
      using guard = token.dropGuard();
      expect(guard.disarm()).toBe(token);
    }
    expect(token.isCancelled).toBe(false);
    {
      using _guard = token.dropGuard();
    }
    expect(token.isCancelled).toBe(true);
  });

  test("a future of one's own may do without a dispose", () => {
    const token = new CancellationToken();
    const until = task(token.runUntilCancelled({ poll: () => PENDING } as unknown as Future<void>));
    expect(until.poll()).toBe(PENDING);
    token.cancel();
    expect(until.poll()).toBe(undefined);
  });

  test("runUntilCancelled passes a failure on, and dropping it drops the future", async () => {
    const token = new CancellationToken();
    await expect(token.runUntilCancelled(Promise.reject(new Error("boom")))).rejects.toThrow("boom");
    let drops = 0;
    const block = task(token.runUntilCancelled(future(() => PENDING, () => drops++)));
    block.poll();
    block.drop();
    expect(drops).toBe(1);
  });
});

describe("here", () => {
  test("the signal follows the token, with the reason", () => {
    const token = new CancellationToken();
    const child = token.child();
    const { signal } = child;
    expect([signal.aborted, child.signal === signal]).toEqual([false, true]);
    const seen: unknown[] = [];
    signal.addEventListener("abort", () => seen.push(signal.reason, token.isCancelled, child.isCancelled));
    token.cancel("enough");
    token.cancel("again");
    expect(seen).toEqual(["enough", true, true]);
    expect(child.child().signal.reason).toBe("enough");
    const plain = new CancellationToken();
    plain.cancel();
    expect(plain.signal.reason).toMatchObject({ name: "AbortError" });
  });

  test("a token follows a signal of the host", () => {
    const controller = new AbortController();
    const token = CancellationToken.from(controller.signal);
    const waiting = task(token.cancelled());
    expect(waiting.poll()).toBe(PENDING);
    controller.abort("stop");
    expect(waiting.isWoken).toBe(true);
    expect(token.signal.reason).toBe("stop");
    expect(CancellationToken.from(AbortSignal.abort("old")).signal.reason).toBe("old");
    const other = new AbortController();
    const left = CancellationToken.from(other.signal);
    left[Symbol.dispose]();
    other.abort();
    expect(left.isCancelled).toBe(false);
    expect(() => CancellationToken.from({} as AbortSignal)).toThrow(OptionError);
  });

  test("a signal of another realm, or of a polyfill, is as good", async () => {
    class Signal extends EventTarget {
      aborted = false;
      reason: unknown;
    }
    const signal = new Signal();
    const token = CancellationToken.from(signal as unknown as AbortSignal);
    const handle = taskBuilder({ signal: signal as unknown as AbortSignal }).spawn(() => sleep(60_000));
    Object.assign(signal, { aborted: true, reason: "over" }).dispatchEvent(new Event("abort"));
    expect([token.isCancelled, token.signal.reason]).toEqual([true, "over"]);
    expect(((await handle.result()) as { reason: Error }).reason.cause).toBe("over");
  });

  test("a listener may cancel other tokens of the tree", () => {
    const root = new CancellationToken();
    const a = root.child();
    const b = root.child();
    const trace: string[] = [];
    a.signal.addEventListener("abort", () => {
      trace.push("a");
      b.cancel("from a");
      root.cancel();
    });
    b.signal.addEventListener("abort", () => trace.push(`b ${String(b.signal.reason)}`));
    root.cancel("root");
    expect(trace).toEqual(["a", "b root"]);
  });

  test("tasks of every kind stop", () =>
    run(async () => {
      const stop = new CancellationToken();
      const ended: string[] = [];
      const handles = [
        spawn(async () => {
          await stop.cancelled();
          ended.push("async");
        }),
        spawn(function* () {
          while ((yield* stop.runUntilCancelled(sleep(1).then(() => true) as Promise<boolean>)) !== undefined) yield* yieldNow();
          ended.push("generator");
        }),
        spawn(stop.child().runUntilCancelled(lazy(async () => sleep(Infinity)))),
      ];
      await sleep(3);
      stop.cancel();
      for (const handle of handles) await handle;
      expect(ended.sort()).toEqual(["async", "generator"]);
    }));

  test("a chain of 100 000 children is cancelled without overflowing the stack", () => {
    const root = new CancellationToken();
    let leaf = root;
    for (let i = 0; i < 100_000; i++) leaf = leaf.child();
    const waiting = task(leaf.cancelled());
    waiting.poll();
    root.cancel();
    expect(waiting.isWoken).toBe(true);
    expect(leaf.isCancelled).toBe(true);
  });

  test("children of a long-lived token leave nothing behind", () => {
    const root = new CancellationToken();
    const refs: WeakRef<object>[] = [];
    (() => {
      for (let i = 0; i < 100; i++) {
        const child = root.child();
        refs.push(new WeakRef(child));
        const grandchild = child.child();
        const wait = task(grandchild.cancelled());
        wait.poll();
        if (i % 2 === 0) wait.drop();
        else grandchild.cancel();
        if (i % 3 === 0) refs.push(new WeakRef(grandchild.signal));
      }
    })();
    return new Promise<void>((resolve) => {
      setTimeout(() => {
        collectGarbage();
        expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(5);
        resolve();
      }, 0);
    });
  });

  test("a signal that somebody listens to follows the token above, whoever still holds what is in between", async () => {
    const root = new CancellationToken();
    const heard: unknown[] = [];
    (() => {
      root.child().child().signal.addEventListener("abort", (event) => heard.push((event.target as AbortSignal).reason));
    })();
    await new Promise((resolve) => setTimeout(resolve, 0));
    collectGarbage();
    const { signal } = root.child();
    root.cancel("enough");
    expect(heard).toEqual(["enough"]);
    expect([signal.aborted, signal.reason, root.child().signal.reason]).toEqual([true, "enough", "enough"]);
  });

  test("signals of more children than one relay serves follow the token above, and a token in between", async () => {
    const root = new CancellationToken();
    const middle = root.child();
    const held = Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? root : middle).child().signal);
    let heard = 0;
    for (let i = 0; i < 300; i++) root.child().signal.addEventListener("abort", () => heard++);
    await new Promise((resolve) => setTimeout(resolve, 0));
    collectGarbage();
    middle.cancel("middle");
    expect(held.map((signal) => signal.aborted)).toEqual(held.map((_, i) => i % 2 === 1));
    root.cancel("root");
    expect(held.map((signal) => signal.reason as unknown)).toEqual(held.map((_, i) => (i % 2 === 1 ? "middle" : "root")));
    expect(heard).toBe(300);
  });

  test("a child that is cancelled alone aborts its signals and those below, no others", () => {
    const root = new CancellationToken();
    const child = root.child();
    const grandchild = child.child();
    const signals = [root.signal, child.signal, grandchild.signal, root.child().signal];
    child.cancel("why");
    expect(signals.map((signal) => signal.aborted)).toEqual([false, true, true, false]);
    expect(grandchild.signal.reason).toBe("why");
  });

  test("takes futures and promises only", () => {
    expect(() => new CancellationToken().runUntilCancelled(5 as never)).toThrow(OptionError);
  });
});

// Not here: clones, equality and hashes of tokens (a token is an object, and is equal to itself); `*_owned` is the same
// where there are no lifetimes; that tokens are Send and Sync.
