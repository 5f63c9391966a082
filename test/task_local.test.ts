// After tokio/tests/task_local.rs, then what is JavaScript's own.

import { ContextError, future, join, lazy, OptionError, PENDING, run, select, sleep, spawn, taskLocal, yieldNow } from "tokiwa";
import { describe, expect, test } from "vitest";

describe("as in Tokio", () => {
  test("each task sees its own value, across waits", () =>
    run(async () => {
      const requestId = taskLocal<number>();
      const flag = taskLocal<boolean>();
      const first = spawn(
        requestId.run(1, async () => {
          expect([requestId.get(), requestId.get()]).toEqual([1, 1]);
        }),
      );
      const second = spawn(
        requestId.run(2, async () => {
          expect(requestId.get()).toBe(2);
          await sleep(2);
          expect(requestId.get()).toBe(2);
          await new Promise((resolve) => setTimeout(resolve, 1));
          expect(requestId.get()).toBe(2);
        }),
      );
      const third = spawn(
        flag.run(true, function* () {
          expect(flag.get()).toBe(true);
          yield* sleep(1);
          expect(flag.get()).toBe(true);
          expect(() => requestId.get()).toThrow(ContextError);
        }),
      );
      for (const handle of [first, second, third]) await handle;
    }));

  test("the value is there when an aborted future is dropped", () =>
    run(async () => {
      const key = taskLocal<number>();
      const seen: number[] = [];
      const handle = spawn(key.run(42, future(() => PENDING, () => seen.push(key.get()))));
      await yieldNow();
      handle.abort();
      expect((await handle.result()).status).toBe("cancelled");
      expect(seen).toEqual([42]);
    }));

  test("outside of run() there is no value", async () => {
    const key = taskLocal<number>();
    expect(() => key.get()).toThrow(expect.objectContaining({ name: "ContextError", code: "TOKIWA_NO_TASK_LOCAL" }));
    await key.run(1, () => {
      expect(key.get()).toBe(1);
    });
    expect(() => key.get()).toThrow(ContextError);
  });
});

describe("here", () => {
  test("the cleanup of an aborted generator and of an async function sees the value", () =>
    run(async () => {
      const key = taskLocal<string>();
      const seen: string[] = [];
      const handles = [
        spawn(
          key.run("generator", function* () {
            try {
              yield* sleep(Infinity);
            } finally {
              seen.push(key.get());
            }
          }),
        ),
        spawn(
          key.run("async", async () => {
            try {
              await sleep(Infinity);
            } finally {
              seen.push(key.get());
            }
          }),
        ),
      ];
      await yieldNow();
      for (const handle of handles) handle.abort();
      for (const handle of handles) await handle.result();
      await sleep(1);
      expect(seen.sort()).toEqual(["async", "generator"]);
    }));

  test("values nest, and an inner one hides the outer one of the same local only", () =>
    run(async () => {
      const a = taskLocal<number>();
      const b = taskLocal<number>();
      await a.run(1, async () => {
        await b.run(2, async () => {
          await a.run(3, async () => {
            await yieldNow();
            expect([a.get(), b.get()]).toEqual([3, 2]);
          });
          expect([a.get(), b.get()]).toEqual([1, 2]);
        });
        await yieldNow();
        expect(a.get()).toBe(1);
        expect(() => b.get()).toThrow(ContextError);
      });
    }));

  test("branches of join and select have their own values, and the poller keeps its own", () =>
    run(async () => {
      const key = taskLocal<number>();
      const read = function* (): Generator<never, number, unknown> {
        return key.get();
      };
      await key.run(0, async () => {
        const values = await join(
          key.run(1, async () => {
            await sleep(1);
            return key.get();
          }),
          key.run(2, read),
          lazy(read),
        );
        expect(values).toEqual([1, 2, 0]);
        const won = await select({ a: key.run(5, read) });
        expect([won.value, key.get()]).toEqual([5, 0]);
      });
    }));

  test("spawned tasks do not inherit values", () =>
    run(async () => {
      const key = taskLocal<number>();
      await key.run(1, async () => {
        await expect(spawn(async () => key.get())).rejects.toThrow(ContextError);
        await expect(spawn(function* () { return key.get(); })).rejects.toThrow(ContextError);
      });
    }));

  test("the value may be undefined, and an object is not copied", async () => {
    const key = taskLocal<unknown>();
    const value = {};
    expect(await key.run(undefined, () => key.get())).toBe(undefined);
    expect(await key.run(value, async () => key.get())).toBe(value);
  });

  test("a failure passes through, and the value is gone after it", async () => {
    const key = taskLocal<number>();
    await expect(key.run(1, async () => { throw new Error("boom"); })).rejects.toThrow("boom");
    await expect(key.run(1, () => { throw new Error("at once"); })).rejects.toThrow("at once");
    expect(() => key.get()).toThrow(ContextError);
    expect(() => key.run(1, 5 as never)).toThrow(OptionError);
  });
});

// Not here: `take_value` and what follows it take the value out of a future that waits, which nothing here can do;
// `task_local_available_on_completion_drop`, since a future that has completed is not dropped again.
