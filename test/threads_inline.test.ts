// Small values in records: what goes in comes out, and what does not fit goes another way and comes out too.
import { Runtime } from "tokiwa";
import { send, ThreadPool } from "tokiwa/threads";
import { afterAll, describe, expect, test } from "vitest";
import { writeAll, readAll } from "../bindings/workers/inline.ts";
import { RECORD_BYTES } from "../assembly/pool-layout.ts";
import "./support/sent.ts";

const memory = new ArrayBuffer(4 * RECORD_BYTES);
const cells = { i32: new Int32Array(memory), f64: new Float64Array(memory), u16: new Uint16Array(memory) };

describe("the values of a record", () => {
  test.each([
    [[]],
    [[1, -1, 0, -0, 1.5, 2 ** 40]],
    [[Number.NaN, Infinity, -Infinity]],
    [[undefined, null, true, false]],
    [["", "text", "a\u0000b", "\ud83d\ude00", "\ud800"]],
    [[[], [1], [1, 2.5, Number.NaN]]],
    [["x".repeat(54)]],
    [[1, 2, 3, 4, 5, 6, 7]],
  ] as unknown[][][])("%j come out as they went in", (values) => {
    const record = 2 * RECORD_BYTES;
    new Uint8Array(memory).fill(255);
    expect(writeAll(cells, record, values)).toBe(true);
    const back = readAll(cells, record);
    expect(back).toEqual(values);
    for (const [i, value] of values.entries()) expect(Object.is(back[i], value) || typeof value === "object").toBe(true);
    expect(new Uint8Array(memory, 3 * RECORD_BYTES)).toEqual(new Uint8Array(RECORD_BYTES).fill(255));      // nothing beyond it was touched
  });

  test("what is too large, or of another kind, is refused", () => {
    // eslint-disable-next-line no-sparse-arrays
    const refused: unknown[][] = [["x".repeat(55)], [{}], [[1, , 2]], [[1, "2"]], [Object.assign([1], { more: 1 })], [1n], [new (class extends Array {})()], [1, 2, 3, 4, 5, 6, 7, 8], [Array.from({ length: 14 }, () => 1)]];
    for (const values of refused) expect(writeAll(cells, 0, values)).toBe(false);
  });
});

describe("jobs with arguments and results of all sizes", () => {
  const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2, transport: "shared" });
  const pool = new ThreadPool({ size: 1 });
  afterAll(async () => {
    await runtime.shutdown({ timeout: 0 });
    await pool.shutdown();
  });

  test("all come back", async () => {
    const values: unknown[] = [1, -0, "s", "x".repeat(1000), [1, 2], [1, "2"], { a: 1 }, null, undefined, new Map([[1, 2]]), 10n, Array.from({ length: 100 }, (_, i) => i), new Uint8Array([1])];
    const echo = send((value: unknown) => value);
    const nested = send((value: unknown) => tokiwa.spawn(tokiwa.send((inner: unknown) => inner), value));
    const jobs = Array.from({ length: 400 }, (_, i) => values[i % values.length]);
    expect(await Promise.all(jobs.map((value) => runtime.spawn(echo, value)))).toEqual(jobs);
    expect(await Promise.all(jobs.map((value) => runtime.spawn(nested, value)))).toEqual(jobs);
  });

  test("an array that changes after the call is sent as it was", async () => {
    const numbers = [1, 2, 3];
    const handle = runtime.spawn(send((given: number[]) => given), numbers);
    numbers[0] = 9;
    expect(await handle).toEqual([1, 2, 3]);
    const inside = send(async () => {
      const own = [1, 2, 3];
      const child = tokiwa.spawn(tokiwa.send((given: number[]) => given), own);
      own[0] = 9;
      return child;
    });
    expect(await runtime.spawn(inside)).toEqual([1, 2, 3]);
  });

  test("more jobs that wait than there are records all run at once", async () => {
    const start = performance.now();
    await Promise.all(Array.from({ length: 20_000 }, () => runtime.spawn(send(() => tokiwa.sleep(300)))));
    expect(performance.now() - start).toBeLessThan(50_000);
  }, 60_000);
});
