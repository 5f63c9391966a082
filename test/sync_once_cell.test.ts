// After tokio/tests/sync_once_cell.rs, then what is JavaScript's own.

import { DeadlockError, fromPromise, OnceCell, OptionError, PENDING, run, SetError, sleep, spawn, timeout, TimeoutError, yieldNow } from "tokiwa";
import { advance, pause, resume, task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";
import { thrown } from "./support/runtimes.ts";

describe("as in Tokio", () => {
  test("a cell may be full from the start, or empty", () => {
    expect(new OnceCell(2).get()).toBe(2);
    expect(new OnceCell(2).isInitialized).toBe(true);
    const empty = new OnceCell<number>();
    expect([empty.get(), empty.isInitialized]).toEqual([undefined, false]);
  });

  test("the first initialiser wins, the second caller gets its value", () =>
    run(
      async () => {
        const cell = new OnceCell<number>();
        const first = spawn(async () => cell.getOrInit(async () => 5));
        const second = spawn(async () =>
          cell.getOrInit(async () => {
            await sleep(1);
            return 10;
          }),
        );
        await advance(1);
        resume();
        expect([await first, await second]).toEqual([5, 5]);
      },
      { startPaused: true },
    ));

  test("an initialiser that would fail is not run when there is a value", () =>
    run(async () => {
      pause();
      const cell = new OnceCell<number>();
      const first = spawn(cell.getOrInit(() => 5));
      const second = spawn(
        cell.getOrInit(async () => {
          await sleep(1);
          throw new Error("not reached");
        }),
      );
      await advance(1);
      expect([await first, await second]).toEqual([5, 5]);
    }));

  test("set and get", () =>
    run(async () => {
      const cell = new OnceCell<number>();
      await spawn(async () => cell.set(5));
      expect(cell.get()).toBe(5);
    }));

  test("setting twice fails, and gives the value back", () => {
    const cell = new OnceCell<number>();
    cell.set(5);
    expect(thrown(() => cell.set(6))).toMatchObject({ name: "SetError", code: "TOKIWA_ALREADY_INITIALIZED", value: 6 });
    expect(cell.get()).toBe(5);
  });

  test("setting while an initialiser runs fails", () =>
    run(async () => {
      pause();
      const cell = new OnceCell<number>();
      const first = spawn(async () =>
        cell.getOrInit(async () => {
          await sleep(2);
          return 5;
        }),
      );
      const second = spawn(async () => {
        await advance(1);
        cell.set(10);
      });
      await expect(second).rejects.toThrow(expect.objectContaining({ code: "TOKIWA_INITIALIZING", value: 10 }));
      expect(await first).toBe(5);
    }));

  test("after an initialiser that fails the next one is run", () =>
    run(async () => {
      const cell = new OnceCell<number>();
      const first = spawn(
        cell.getOrInit(async () => {
          await sleep(1);
          throw new Error("no luck");
        }),
      );
      const second = spawn(cell.getOrInit(async () => 10));
      await expect(first).rejects.toThrow("no luck");
      expect(await second).toBe(10);
    }));
});

describe("as Tokio documents", () => {
  test("dropping the one that initialises lets the next begin with its own", () => {
    const cell = new OnceCell<string>();
    const first = task(
      cell.getOrInit(function* () {
        yield* sleep(Infinity);
        return "first";
      }),
    );
    const second = task(cell.getOrInit(() => "second"));
    const third = task(cell.getOrInit(() => "third"));
    expect([first.poll(), second.poll(), third.poll()]).toEqual([PENDING, PENDING, PENDING]);
    first.drop();
    expect([second.isWoken, third.isWoken]).toEqual([true, false]);
    expect(second.poll()).toBe("second");
    expect(third.isWoken).toBe(true);
    expect(third.poll()).toBe("second");
  });

  test("dropping one that waits, or was just handed the turn, does not lose the turn", () => {
    const cell = new OnceCell<number>();
    const first = task(
      cell.getOrInit(function* (): Generator<never, number, unknown> {
        throw new Error("boom");
      }),
    );
    const slow = task(cell.getOrInit(() => sleep(Infinity).then(() => 1) as Promise<number>));
    slow.poll();
    const waiting = [1, 2, 3].map((n) => task(cell.getOrInit(() => n)));
    for (const w of waiting) w.poll();
    waiting[0]?.drop();
    slow.drop();
    expect(waiting.map((w) => w.isWoken)).toEqual([false, true, false]);
    waiting[1]?.drop();
    expect(waiting[2]?.isWoken).toBe(true);
    expect(waiting[2]?.poll()).toBe(3);
    expect(first.poll()).toBe(3);                          // its own was never run
  });

  test("set succeeds again after an initialiser was dropped", () => {
    const cell = new OnceCell<number>();
    const first = task(cell.getOrInit(function* () { yield* sleep(Infinity); return 1; }));
    first.poll();
    expect(thrown(() => cell.set(2))).toMatchObject({ code: "TOKIWA_INITIALIZING" });
    first.drop();
    cell.set(2);
    expect(cell.get()).toBe(2);
  });
});

describe("here", () => {
  test.each<[string, () => unknown]>([
    ["a plain function", () => 7],
    ["an async function", async () => { await sleep(0); return 7; }],
    ["a generator function", function* () { yield* yieldNow(); return 7; }],
    ["a function that returns a promise", () => Promise.resolve(7)],
    ["a function that returns a future", () => fromPromise(Promise.resolve(7))],
  ])("takes %s, and calls it once", async (_name, fn) => {
    const cell = new OnceCell<unknown>();
    let calls = 0;
    const init = (): unknown => (calls++, fn());
    const handles = Array.from({ length: 10 }, () => spawn(cell.getOrInit(init)));
    for (const handle of handles) expect(await handle).toBe(7);
    expect(await cell.getOrInit(init)).toBe(7);
    expect(calls).toBe(1);
  });

  test.each([undefined, null, NaN])("the value may be %s", async (value) => {
    const set = new OnceCell<unknown>();
    set.set(value);
    expect(set.isInitialized).toBe(true);
    expect(() => set.set(1)).toThrow(SetError);
    const made = new OnceCell<unknown>();
    expect(await made.getOrInit(() => value)).toBe(value);
    expect([made.isInitialized, made.get()]).toEqual([true, value]);
  });

  test("an initialiser that throws at once rejects, and leaves the cell empty", async () => {
    const cell = new OnceCell<number>();
    await expect(cell.getOrInit(() => { throw new TypeError("bad"); })).rejects.toThrow(TypeError);
    expect(cell.isInitialized).toBe(false);
    await expect(cell.getOrInit(() => Promise.reject(new Error("worse")))).rejects.toThrow("worse");
    expect(await cell.getOrInit(() => 3)).toBe(3);
  });

  test.each<[string, (cell: OnceCell<number>) => unknown]>([
    ["a generator", function* (cell) { return yield* cell.getOrInit(() => 1); }],
    ["an async function", async (cell) => { await yieldNow(); return cell.getOrInit(() => 1); }],
    ["a plain function", (cell) => cell.getOrInit(() => 1)],
  ])("%s that asks its own cell is told so instead of waiting for itself", (_name, fn) =>
    run(async () => {
      const cell = new OnceCell<number>();
      const asked = spawn(cell.getOrInit(() => fn(cell) as number));
      await expect(asked).rejects.toThrow(DeadlockError);
      await expect(cell.getOrInit(() => fn(cell) as number)).rejects.toThrow(/inside the initialiser of the same cell/);
      expect(await cell.getOrInit(() => 2)).toBe(2);
    }));

  test("an initialiser may use another cell, and set fails inside of its own", async () => {
    const outer = new OnceCell<number>();
    const inner = new OnceCell<number>();
    const value = await outer.getOrInit(async () => {
      expect(thrown(() => outer.set(0))).toMatchObject({ code: "TOKIWA_INITIALIZING" });
      return (await inner.getOrInit(async () => 20)) + 1;
    });
    expect(value).toBe(21);
  });

  test("losing a timeout cancels the initialiser", () =>
    run(
      async () => {
        const cell = new OnceCell<number>();
        let isCancelled = false;
        const init = async (): Promise<number> => {
          try {
            await sleep(1000);
          } catch (error) {
            isCancelled = true;
            throw error;
          }
          return 1;
        };
        await expect(timeout(5, cell.getOrInit(init))).rejects.toThrow(TimeoutError);
        await yieldNow();
        expect([cell.isInitialized, isCancelled]).toEqual([false, true]);
        expect(await cell.getOrInit(() => 2)).toBe(2);
      },
      { startPaused: true },
    ));

  test("coming back to its own cell through another one is found, too", async () => {
    const cell = new OnceCell<number>();
    const other = new OnceCell<number>();
    const again = (): PromiseLike<number> => cell.getOrInit(() => 1);
    await expect(cell.getOrInit(() => other.getOrInit(again))).rejects.toThrow(DeadlockError);
    expect([cell.isInitialized, other.isInitialized]).toEqual([false, false]);
  });

  test("takes functions only", () => {
    expect(() => new OnceCell().getOrInit(5 as never)).toThrow(OptionError);
  });
});

// Not here: `drop_cell*`, `drop_into_inner*` and `from` are about destructors and ownership; `get_or_try_init` is what
// getOrInit() does where errors are thrown.
