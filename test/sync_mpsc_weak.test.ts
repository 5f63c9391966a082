// Weak senders of mpsc and unboundedMpsc, after tokio/tests/sync_mpsc_weak.rs.

import { describe, expect, test } from "vitest";
import { mpsc, oneshot, type OneshotSender, run, spawn, unboundedMpsc } from "tokiwa";

const kinds = [
  ["mpsc", () => mpsc<number>(11)],
  ["unboundedMpsc", () => unboundedMpsc<number>()],
] as const;

describe.each(kinds)("a weak sender of %s", (_, make) => {
  test("becomes a sender while there is one, and does not keep the channel open", async () => {
    await run(async () => {
      const [tx, rx] = make();
      const weak = await spawn(async () => {
        const clone = tx.clone();
        const first = clone.downgrade();
        clone.close();
        for (let i = 0; i < 10; i++) await tx.send(i);
        const second = first.upgrade()!;
        await second.send(20);
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

  test("upgrades while another sender is open, and not after the last was closed", () => {
    const [tx] = make();
    const weak = tx.downgrade();
    const second = tx.downgrade();
    weak.upgrade()!.close();
    tx.close();
    expect([weak.upgrade(), second.upgrade()]).toEqual([undefined, undefined]);
  });

  test("does not count: a receiver with only weak senders is closed", () => {
    const [tx, rx] = make();
    const weak = tx.downgrade();
    tx.close();
    expect([rx.isClosed, weak.strongCount, weak.weakCount]).toEqual([true, 0, 1]);
  });

  test("counts of senders and weak senders agree from everywhere", () => {
    const [tx, rx] = make();
    const tx2 = tx.clone();
    const weak = tx.downgrade();
    const weak2 = tx2.downgrade();
    const strong = () => [tx.strongCount, tx2.strongCount, weak.strongCount, weak2.strongCount, rx.senderStrongCount];
    const weaks = () => [tx.weakCount, tx2.weakCount, weak.weakCount, weak2.weakCount, rx.senderWeakCount];
    expect([strong(), weaks()]).toEqual([Array(5).fill(2), Array(5).fill(2)]);
    tx2.close();
    tx2[Symbol.dispose]();
    weak2.close();
    weak2[Symbol.dispose]();
    expect([strong(), weaks()]).toEqual([Array(5).fill(1), Array(5).fill(1)]);
    const third = weak.clone();
    expect(weaks()).toEqual(Array(5).fill(2));
    third.close();
    expect(third.upgrade()).toBe(undefined);
  });

  test("lets an actor send to itself and still end when its handles are gone", async () => {
    type Message = { answer: OneshotSender<number> } | "self";
    const [tx, rx] = make() as unknown as ReturnType<typeof mpsc<Message>>;
    let fromSelf = 0;
    await run(async () => {
      const weak = tx.downgrade();
      const actor = spawn(async () => {
        let nextId = 0;
        for await (const message of rx) {
          if (message === "self") fromSelf++;
          else {
            message.answer.send(++nextId);
            using self = weak.upgrade();
            await self?.send("self");
          }
        }
      });
      const [reply, answer] = oneshot<number>();
      await tx.send({ answer: reply });
      expect(await answer).toBe(1);
      tx.close();
      await actor;
    });
    expect(fromSelf).toBe(1);
  });
});

describe("permits and weak senders", () => {
  test("a permit alone lets a weak sender upgrade", async () => {
    const [tx, rx] = mpsc<number>(1);
    const weak = tx.downgrade();
    const permit = await tx.reserve();
    tx.close();
    const upgraded = weak.upgrade()!;
    expect(upgraded.strongCount).toBe(2);
    upgraded.close();
    permit.release();
    expect([weak.upgrade(), rx.isClosed]).toEqual([undefined, true]);
  });

  test("a weak sender made after the permit upgrades as well", async () => {
    const [tx] = mpsc<number>(1);
    const tx2 = tx.clone();
    const permit = await tx.reserve();
    tx.close();
    const weak = tx2.downgrade();
    tx2.close();
    expect(weak.upgrade()).not.toBe(undefined);
    permit.release();
  });

  test("messages are let go when the receiver is disposed of, with a weak sender left", async () => {
    const [tx, rx] = mpsc<object>(3);
    const weak = tx.downgrade();
    await tx.send({});
    await tx.send({});
    rx[Symbol.dispose]();
    expect(rx.length).toBe(0);
    await expect(tx.send({})).rejects.toMatchObject({ code: "TOKIWA_CLOSED" });
    expect([rx.length, weak.strongCount]).toEqual([0, 1]);
  });
});

// Of Tokio's file, without meaning here: the counts of dropped messages (there are no destructors; what is left in the
// queue is asserted instead).
