// After tokio/tests/sync_barrier.rs, then what is JavaScript's own.

import { Barrier, type BarrierWaitResult, join, OptionError, PENDING, run, spawn, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

describe("as in Tokio", () => {
  test.each([0, 1])("a barrier of %s does not block, and everybody leads", (n) => {
    const barrier = new Barrier(n);
    for (let i = 0; i < 3; i++) expect(task(barrier.wait()).poll()).toEqual({ isLeader: true });
  });

  test("of two, one leads", () => {
    const barrier = new Barrier(2);
    const first = task(barrier.wait());
    expect(first.poll()).toBe(PENDING);
    const second = task(barrier.wait());
    expect(second.poll()).toEqual({ isLeader: true });
    expect(first.isWoken).toBe(true);
    expect(first.poll()).toEqual({ isLeader: false });
  });

  test("a hundred meet ten times, and one of them leads each time", () => {
    const barrier = new Barrier(100);
    for (let round = 0; round < 10; round++) {
      const waiting = Array.from({ length: 99 }, () => task(barrier.wait()));
      for (const w of waiting) expect(w.poll()).toBe(PENDING);
      for (const w of waiting) expect(w.poll()).toBe(PENDING);
      const results = [task(barrier.wait()).poll() as BarrierWaitResult, ...waiting.map((w) => w.poll() as BarrierWaitResult)];
      expect(results.filter((result) => result.isLeader).length).toBe(1);
      expect(results.length).toBe(100);
    }
  });
});

describe("as Tokio documents", () => {
  test("one dropped after its first poll has arrived, one never polled has not", () => {
    const barrier = new Barrier(3);
    const dropped = task(barrier.wait());
    dropped.poll();
    dropped.drop();
    task(barrier.wait()).drop();
    const second = task(barrier.wait());
    expect(second.poll()).toBe(PENDING);
    expect(task(barrier.wait()).poll()).toEqual({ isLeader: true });
    expect(second.poll()).toEqual({ isLeader: false });
  });

  test("the next generation may fill up before the last has looked", () => {
    const barrier = new Barrier(2);
    const slow = task(barrier.wait());
    slow.poll();
    task(barrier.wait()).poll();
    const next = task(barrier.wait());
    expect(next.poll()).toBe(PENDING);
    expect(slow.poll()).toEqual({ isLeader: false });
    expect(next.poll()).toBe(PENDING);
    task(barrier.wait()).poll();
    expect(next.poll()).toEqual({ isLeader: false });
  });
});

describe("here", () => {
  test("tasks of every kind meet", () =>
    run(async () => {
      const barrier = new Barrier(4);
      const results = await join(
        spawn(async () => barrier.wait()),
        spawn(function* () {
          yield* yieldNow();
          return yield* barrier.wait();
        }),
        spawn(barrier.wait()),
        barrier.wait(),
      );
      expect(results.filter((result) => result.isLeader).length).toBe(1);
    }));

  test.each([-1, 0.5, NaN, Infinity, "2", null, undefined])("a barrier of %s is refused", (n) => {
    expect(() => new Barrier(n as number)).toThrow(OptionError);
  });
});

// Not here: that the future is Send.
