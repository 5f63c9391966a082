// Every order of an owner that parks and wakers that wake its units, on the compiled core.
//
// Each waker counts a wake in its unit's ticket, then posts it. The owner ends when it has polled
// every unit after its last ticket; otherwise it looks, polls, and parks. A lost wake leaves it asleep.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  ARENA_BATCH, ARENA_PARKED, ARENA_STATES, HEAP_LOCK, INBOX_FIRST, INBOX_SEGMENTS, INBOX_SUMMARY, INBOX_TOP, INDEX_MASK, NOTIFIED,
} from "../../assembly/layout.ts";
import { hasJspi } from "../support/lanes.ts";
import { type Calls, describeFailure, explore, type Program, type Thread } from "./explore.ts";

const HEAP = 1024;
const bytes = new Uint8Array(readFileSync(fileURLToPath(new URL("../../build/core.model.wasm", import.meta.url))));

/** @param wakes the units that each waker wakes, in its order; at least one waker */
function parking(wakes: readonly (readonly number[])[], { capacity = 64, timed = false } = {}): Program {
  let a = 0;
  let memory: Int32Array;
  const tickets = new Map<number, number>();
  const seen = new Map<number, number>();
  const expected = wakes.flat().length;
  let parks = 0;

  const owner: Thread = async (core) => {
    for (;;) {
      await core["look"]!(a, 0);
      for (let count = await core["turn"]!(a, 0, 256); count > 0; count = await core["turn"]!(a, count, 256)) {
        for (let i = 0; i < count; i++) {
          const index = memory[((a + ARENA_BATCH) >> 2) + i]! & INDEX_MASK;
          memory[(memory[(a + ARENA_STATES) >> 2]! >> 2) + index]! &= ~NOTIFIED;
          seen.set(index, tickets.get(index)!);
        }
      }
      if ([...seen.values()].reduce((sum, n) => sum + n, 0) === expected) return parks;
      if ((await core["parkPrepare"]!(a)) === 1) {
        parks++;
        await core["park"]!(a, timed ? 5 : Infinity);
        await core["parkDone"]!(a);
      }
    }
  };

  const waker = (units: readonly number[]): Thread => async (core: Calls) => {
    for (const unit of units) {
      tickets.set(unit, (tickets.get(unit) ?? 0) + 1);
      await core["wakeRemote"]!(a, unit);
    }
  };

  const segments = INBOX_SEGMENTS;
  return {
    bytes,
    setup(core, words) {
      core["heapInit"]!(HEAP);
      a = core["arenaNew"]!(capacity);
      if (a === 0) throw new Error("no memory");
      for (let i = 0; i < capacity; i++) core["unitNew"]!(a);
      memory = words;
    },
    threads: { owner, ...Object.fromEntries(wakes.map((units, i) => [`waker${i + 1}`, waker(units)])) },
    reset() {
      tickets.clear();
      seen.clear();
      parks = 0;
    },
    check: () => ([...tickets].every(([unit, n]) => seen.get(unit) === n) ? undefined : "a poll came before the wake's work"),
    nameOf(address) {
      const offset = address - a;
      if (offset === ARENA_PARKED) return "parked";
      if (offset >= INBOX_FIRST) return `bits[${(offset - INBOX_FIRST) / 8}]`;
      if (offset >= INBOX_SUMMARY) return `summary[${(offset - INBOX_SUMMARY) / 8}]`;
      if (offset >= INBOX_TOP) return `top[${(offset - INBOX_TOP) / 8}]`;
      return offset >= segments ? "segments" : `0x${address.toString(16)}`;
    },
  };
}

describe.skipIf(!hasJspi)(`inbox and parking, in every order with three preemptions and more${hasJspi ? "" : " (skipped: this Node has no JSPI)"}`, () => {
  test.each([
    ["one waker, two wakes of one unit", parking([[5, 5]]), 5],
    ["two wakers of one unit", parking([[5], [5]]), 3],
    ["two wakers, two units in one word", parking([[5], [6]]), 3],
    ["two wakers, two words under one summary word", parking([[5], [70]], { capacity: 128 }), 3],
    ["two wakers, two summary words", parking([[5], [5000]], { capacity: 8192 }), 3],
    ["two wakers with two wakes each", parking([[5, 6], [6, 5]]), 3],
    ["a park with a time limit", parking([[5], [6]], { timed: true }), 3],
  ])("%s: no wake is lost", { timeout: 60_000 }, async (_, program, preemptions) => {
    const result = await explore(program, { preemptions });
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
    expect(result.executions).toBeGreaterThan(50);
  });
});

describe.skipIf(!hasJspi)(`regions, in every order with three preemptions${hasJspi ? "" : " (skipped: this Node has no JSPI)"}`, () => {
  test("threads that make and free arenas at once never get the same region", async () => {
    let first = 0;
    const thread: Thread = async ({ arenaNew, arenaFree }) => {
      const a = await arenaNew!(64);
      await arenaFree!(a);
      return [a, await arenaNew!(64)];
    };
    const result = await explore(
      {
        bytes,
        setup(core) {
          core["heapInit"]!(HEAP);
          first = core["arenaNew"]!(64);
          core["arenaFree"]!(first); // so that one region of each size is free and the others are new
        },
        threads: { x: thread, y: thread },
        check: ([x, y]) => {
          const ends = [(x as number[])[1], (y as number[])[1]];
          return ends[0] !== 0 && ends[1] !== 0 && ends[0] !== ends[1] ? undefined : `both have ${ends.join(", ")}`;
        },
        nameOf: (address) => (address === HEAP + HEAP_LOCK ? "lock" : `0x${address.toString(16)}`),
      },
      { preemptions: 3 },
    );
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
  });
});
