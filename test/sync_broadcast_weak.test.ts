// Weak senders of broadcast, after tokio/tests/sync_broadcast_weak.rs.

import { expect, test } from "vitest";
import { broadcast, run, spawn } from "tokiwa";

test("a weak sender becomes a sender while there is one, and does not keep the channel open", async () => {
  await run(async () => {
    const [tx, rx] = broadcast<number>(11);
    const weak = await spawn(() => {
      const clone = tx.clone();
      const first = clone.downgrade();
      clone.close();
      for (let i = 0; i < 10; i++) tx.send(i);
      const second = first.upgrade()!;
      second.send(20);
      const last = second.downgrade();
      second.close();
      tx.close();
      return last;
    });
    const all: number[] = [];
    for await (const value of rx) all.push(value);
    expect(all).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20]);
    expect(weak.upgrade()).toBe(undefined);
  });
});

test("a weak sender does not upgrade when no sender is left", () => {
  const [tx, rx] = broadcast<number>(1);
  const clone = tx.clone();
  const weak = clone.downgrade();
  const weak2 = tx.downgrade();
  clone.close();
  tx.close();
  expect([weak.upgrade(), weak2.upgrade(), weak.strongCount, weak.weakCount, rx.isClosed]).toEqual([undefined, undefined, 0, 2, true]);
});

test("counts of senders and weak senders agree from everywhere", () => {
  const [tx, rx] = broadcast<void>(1);
  const tx2 = tx.clone();
  const weak = tx.downgrade();
  const weak2 = tx2.downgrade();
  const strong = () => [tx.strongCount, tx2.strongCount, weak.strongCount, weak2.strongCount, rx.senderStrongCount];
  const weaks = () => [tx.weakCount, tx2.weakCount, weak.weakCount, weak2.weakCount, rx.senderWeakCount];
  expect([strong(), weaks()]).toEqual([Array(5).fill(2), Array(5).fill(2)]);
  tx2.close();
  weak2.close();
  weak2.close();
  expect([strong(), weaks()]).toEqual([Array(5).fill(1), Array(5).fill(1)]);
  weak.clone().close();
  expect(weaks()).toEqual(Array(5).fill(1));
});

// Every case of Tokio's file has a meaning here.
