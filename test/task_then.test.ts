// What `then` of a future returns is a promise, inside of tasks and outside.

import { type Future, future, Instant, lazy, PENDING, run, sleep, spawn, timeout, TimeoutError, type Waker } from "tokiwa";
import { expect, test } from "vitest";

test("a chain on a future can be spawned, returned from a block, and dropped", () =>
  run(async () => {
    const chain = (): Promise<number> => sleep(1).then(() => 5) as Promise<number>;
    expect("poll" in chain()).toBe(false);
    expect(await spawn(chain())).toBe(5);
    expect(await lazy(chain)).toBe(5);
    expect(await spawn(chain)).toBe(5);
    expect(await chain().then((value) => value + 1)).toBe(6);
    const slow = lazy(() => sleep(10_000).then(() => 5) as Promise<number>);
    await expect(timeout(1, slow)).rejects.toThrow(TimeoutError);
  }));

test("catch() and finally() of a handle are those of a promise", () =>
  run(async () => {
    const failing = (): never => {
      throw new RangeError("no");
    };
    expect(await spawn(failing).catch((error: unknown) => (error as Error).message)).toBe("no");
    expect(await spawn(() => 1).catch(() => 2)).toBe(1);
    let calls = 0;
    expect(await spawn(() => 3).finally(() => void calls++)).toBe(3);
    await expect(spawn(failing).finally(() => void calls++)).rejects.toThrow(RangeError);
    expect(calls).toBe(2);
  }));

test("an async function that awaits twice at once, and then again and again, gets every value", () =>
  run(async () => {
    const soon = async (ms: number, value: number): Promise<number> => {
      await sleep(ms);
      return value;
    };
    const seen: number[] = [];
    await spawn(async () => {
      const both = await Promise.all([spawn(soon, 3, 1), spawn(soon, 1, 2), sleep(2).then(() => 3)]);
      seen.push(...both);
      for (let i = 4; i < 7; i++) {
        await sleep(1);
        seen.push(await spawn(soon, 1, i));
      }
    });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  }));

test("a waker of an await that has ended disturbs the next one no more than a spurious wake", () =>
  run(async () => {
    const old: Waker[] = [];
    const once = (value: number): Future<number> => {
      let isAsked = false;
      return future((waker) => {
        old.push(waker);
        if (isAsked) return value;
        isAsked = true;
        waker.wake();
        return PENDING;
      });
    };
    const values = await spawn(async () => {
      const found = [await once(1)];
      for (const waker of old) waker.wake();
      await sleep(2);
      for (const waker of old) waker.wake();
      found.push(await once(2));
      return found;
    });
    expect(values).toEqual([1, 2]);
    for (const waker of old) waker.wake();                 // the function has ended
    await sleep(1);
  }));

test("a future that wakes its own task before it is ready is polled once, and disturbs no later wait", async () => {
  let polls = 0;
  const eager = (): Future<number> => future((waker: Waker) => (waker.wake(), waker.wake(), ++polls));
  await run(
    async () => {
      for (let i = 1; i <= 300; i++) expect(await eager()).toBe(i);
      const start = Instant.now();
      await eager();
      await sleep(20);
      expect([start.elapsed(), polls]).toEqual([20, 301]);
    },
    { startPaused: true },
  );
  await run(function* () {
    for (let i = 302; i <= 600; i++) expect(yield* eager()).toBe(i);
  });
  expect([await eager(), polls]).toEqual([601, 601]);
});

test("in a cancelled function every wait rejects once, also of futures that wake it", async () => {
  const codes: unknown[] = [];
  const handle = spawn(async () => {
    for (let i = 0; i < 3; i++) {
      try {
        await future((waker: Waker) => (waker.wake(), PENDING));
      } catch (error) {
        codes.push((error as { code: string }).code);
      }
    }
  });
  await sleep(1);
  handle.abort();
  await handle.result();
  expect(codes).toEqual(["TOKIWA_CANCELLED", "TOKIWA_CANCELLED", "TOKIWA_CANCELLED"]);
});
