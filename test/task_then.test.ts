// What `then` of a future returns is a promise, inside of tasks and outside.

import { lazy, run, sleep, spawn, timeout, TimeoutError } from "tokiwa";
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
