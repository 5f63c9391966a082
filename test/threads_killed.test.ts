// Threads are terminated wherever they are, also in the middle of a change of what they share: nothing is lost or made by that.
import { sleep } from "tokiwa";
import { SharedBarrier, SharedMutex, SharedNotify, SharedSemaphore, sharedChannel, type SharedReceiver, type SharedSender, Thread, ThreadPool } from "tokiwa/threads";
import { describe, expect, test } from "vitest";
import "./support/sent.ts";

const ROUNDS = 6;
const HARD = 3;

/** Runs `body` on some threads, terminates them within 20 ms after they have begun, and waits until they are dead. */
async function killed<A extends unknown[]>(count: number, body: (...args: A) => void, ...args: A): Promise<void> {
  const pools = Array.from({ length: count }, () => new ThreadPool({ size: 1 }));
  await Promise.all(pools.map((pool) => pool.exec(() => 0)));
  const ends = pools.map((pool) => pool.exec(body, ...args).result());
  for (const pool of pools) {
    await sleep(Math.random() * 20);
    void pool.shutdown();
  }
  await Promise.all([...ends, ...pools.map((pool) => pool.shutdown())]);
}

describe("after threads were killed", () => {
  test("a semaphore has all of its permits", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const gate = new SharedSemaphore(HARD);
      await killed(3, (s: SharedSemaphore) => {
        for (let i = 0; ; i++) {
          const one = s.blockingAcquire(1 + (i % 2));
          const more = s.availablePermits > 0 && i % 3 === 0 ? s.blockingAcquire(0) : undefined;
          one.release();
          more?.release();
        }
      }, gate);
      const all = await gate.acquireMany(HARD);
      expect(gate.availablePermits).toBe(0);
      all.release();
      expect(gate.availablePermits).toBe(HARD);
    }
  }, 60_000);

  test("a mutex is free, with a value that was whole", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const mutex = new SharedMutex({ n: 0, text: "" });
      await killed(2, (m: SharedMutex<{ n: number; text: string }>) => {
        for (;;) {
          const guard = m.blockingLock();
          guard.value.n++;
          guard.value.text = "x".repeat(guard.value.n % 5000);
          guard.unlock();
        }
      }, mutex);
      const { value } = await mutex.lock();
      expect(value.text.length).toBe(value.n % 5000);
    }
  }, 60_000);

  test("a channel has all of its places, and its messages in order and whole", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const [tx, rx] = sharedChannel<{ n: number; text: string }>(4);
      const send = (s: SharedSender<{ n: number; text: string }>): void => {
        for (let n = 0; ; n++) s.blockingSend({ n, text: "y".repeat(n % 100) });
      };
      let before = -1;
      const check = ({ n, text }: { n: number; text: string }): void => {
        expect(n).toBeGreaterThan(before);
        expect(text.length).toBe(n % 100);
        before = n;
      };
      const sending = killed(1, send, tx);
      const receiving = killed(2, (r: SharedReceiver<unknown>) => {
        for (;;) r.blockingRecv();
      }, rx as SharedReceiver<unknown>);
      await Promise.all([sending, receiving]);
      const sent = Promise.resolve(tx.send({ n: 1e9, text: "" }));
      for (let last = false; !last; ) {
        const message = await rx.recv();
        expect(message).toBeDefined();
        check(message!);
        last = message!.n === 1e9;
      }
      await sent;
      expect([rx.length, tx.capacity]).toEqual([0, 4]);
      tx.close();
      expect(await rx.recv()).toBe(undefined);
    }
  }, 60_000);

  test("a notification and a barrier serve those who live", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const notify = new SharedNotify();
      await killed(2, (n: SharedNotify) => {
        for (;;) {
          n.notifyOne();
          n.notifyWaiters();
          n.notifyOne();
          n.blockingNotified();
        }
      }, notify);
      notify.notifyOne();
      await notify.notified();
      const barrier = new SharedBarrier(1);
      await killed(1, (b: SharedBarrier) => {
        for (;;) b.blockingWait();
      }, barrier);
      expect((await barrier.wait()).isLeader).toBe(true);
    }
  }, 60_000);
});

describe("the threads of a thread die with it,", () => {
  test.each(["terminated", "exited", "ended by its pool"])("%s: what they held is free, and their senders are closed", async (how) => {
    const mutex = new SharedMutex("before");
    const [tx, rx] = sharedChannel<string>(4);
    const pool = new ThreadPool({ size: 1 });
    const thread = new Thread();
    const body = async (m: SharedMutex<string>, s: SharedSender<string>, exits: boolean): Promise<void> => {
      const inner = new tokiwa.Thread();
      await inner.exec(async (lock: SharedMutex<string>, sender: SharedSender<string>) => {
        (globalThis as unknown as { kept: unknown }).kept = [await lock.lock(), sender];
        await sender.send("held");
      }, m, s);
      if (exits) process.exit(0);
      await new Promise(() => {});
    };
    const ended = (how === "ended by its pool" ? pool : thread).exec(body, mutex, tx, how === "exited").result();
    tx.close();
    expect(await rx.recv()).toBe("held");
    const waiting = mutex.lock();
    const end = Promise.resolve(rx.recv());
    if (how === "terminated") thread.terminate();
    if (how === "ended by its pool") void pool.shutdown();
    expect((await waiting).value).toBe("before");
    expect(await end).toBe(undefined);
    expect((await ended).status).not.toBe("fulfilled");
    thread.terminate();
    await pool.shutdown();
  });
});
