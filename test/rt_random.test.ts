// Random programs of sleeps, yields, joins, selects and aborts, against a plain model of when each step ends.
//
// Every sleep of a program is a multiple of 64 ms, and the n-th aborter strikes at n + 1 (mod 64): so no abort
// ever falls on the moment of another event, and the model needs no rule for ties.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { coop, Instant, join, type JoinHandle, Runtime, select, sleep, spawn, timeout, yieldNow } from "tokiwa";
import { seed } from "./support/lanes.ts";
import { asAsync, asGenerator } from "./support/runtimes.ts";

type Step =
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "yield" | "budget" | "throw" }
  | { readonly kind: "join"; readonly other: number }
  | { readonly kind: "select" | "both" | "limit"; readonly a: number; readonly b: number };
interface Program {
  readonly tasks: readonly (readonly Step[])[];
  /** The victim of each aborter, and when in units of 64 ms. */
  readonly aborts: readonly { readonly victim: number; readonly after: number }[];
}
interface Ended {
  readonly log: string[];
  readonly status: string;
  readonly at: number;
}

const UNIT = 64;
const ms = fc.integer({ min: 0, max: 200 }).map((n) => n * UNIT);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("sleep" as const), ms }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("yield" as const, "budget" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("join" as const), other: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("select" as const, "both" as const, "limit" as const), a: ms, b: ms }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("throw" as const) }) },
);
const program: fc.Arbitrary<Program> = fc.record({
  tasks: fc.array(fc.array(step, { maxLength: 8 }), { minLength: 1, maxLength: 12 }),
  aborts: fc.array(fc.record({ victim: fc.nat(1000), after: fc.integer({ min: 0, max: 100 }) }), { maxLength: 8 }),
});

function model({ tasks, aborts }: Program): Ended[] {
  const ended: Ended[] = [];
  for (const [k, steps] of tasks.entries()) {
    const abortAt = aborts.reduce((least, { victim, after }, n) => (victim % tasks.length === k ? Math.min(least, after * UNIT + n + 1) : least), Infinity);
    const log: string[] = [];
    let now = 0;
    let status = "fulfilled";
    for (const one of steps) {
      let until = now;
      let note: string = one.kind;
      if (one.kind === "sleep") until = now + one.ms;
      else if (one.kind === "select") {
        until = now + Math.min(one.a, one.b);
        note = one.a === one.b ? "select" : one.a < one.b ? "select a" : "select b";
      } else if (one.kind === "both") until = now + Math.max(one.a, one.b);
      else if (one.kind === "limit") {
        until = now + Math.min(one.a, one.b);
        note = one.b <= one.a ? "in time" : "late";
      } else if (one.kind === "join" && k > 0) {
        const other = ended[one.other % k]!;
        until = Math.max(now, other.at);
        note = other.status;
      }
      if (abortAt < until) {
        status = "cancelled";
        now = abortAt;
        break;
      }
      now = until;
      if (one.kind === "throw") {
        status = "rejected";
        break;
      }
      log.push(`${now} ${note}`);
    }
    log.push(`finally ${now}`);
    ended.push({ log, status, at: now });
  }
  return ended;
}

async function play({ tasks, aborts }: Program, fn: typeof asGenerator | typeof asAsync, options: object): Promise<Ended[]> {
  const runtime = new Runtime({ startPaused: true, ...options });
  try {
    return await runtime.run(async () => {
      const start = Instant.now();
      const handles: JoinHandle<void>[] = [];
      const logs: string[][] = tasks.map(() => []);
      const ends: number[] = [];
      for (const [k, steps] of tasks.entries()) {
        handles.push(spawn(fn(function* () {
          const log = logs[k]!;
          try {
            for (const one of steps) {
              let note: string = one.kind;
              if (one.kind === "sleep") yield sleep(one.ms);
              else if (one.kind === "yield") yield yieldNow();
              else if (one.kind === "budget") yield coop.consumeBudget();
              else if (one.kind === "both") yield join(sleep(one.a), sleep(one.b));
              else if (one.kind === "throw") throw new Error("on purpose");
              else if (one.kind === "select") {
                const { name } = (yield select({ a: sleep(one.a), b: sleep(one.b) })) as { name: string };
                note = one.a === one.b ? "select" : `select ${name}`;
              } else if (one.kind === "limit") {
                note = ((yield select({ limited: spawnless(one.a, one.b) })) as { value: string }).value;
              } else if (one.kind === "join" && k > 0) note = ((yield handles[one.other % k]!.result()) as { status: string }).status;
              log.push(`${start.elapsed()} ${note}`);
            }
          } finally {
            ends[k] = start.elapsed();
            log.push(`finally ${ends[k]}`);
          }
        })));
      }
      for (const [n, { victim, after }] of aborts.entries()) {
        spawn(fn(function* () {
          yield sleep(after * UNIT + n + 1);
          handles[victim % tasks.length]!.abort();
        }));
      }
      const ended: Ended[] = [];
      for (const [k, handle] of handles.entries()) ended.push({ log: logs[k]!, status: (await handle.result()).status, at: ends[k]! });
      return ended;
    });
  } finally {
    await runtime.shutdown();
    const { tasksAlive, timers, queueDepth } = runtime.metrics();
    expect({ tasksAlive, timers, queueDepth }).toEqual({ tasksAlive: 0, timers: 0, queueDepth: 0 });
  }
}

/** A sleep with a limit, as a future that never rejects. */
function spawnless(limit: number, takes: number): PromiseLike<string> {
  return timeout(limit, sleep(takes)).then(() => "in time", () => "late");
}

describe.each([["generators", asGenerator], ["async functions", asAsync]] as const)("%s", (_, fn) => {
  test.each([["as they come", {}], ["lane macrotask, one poll a tick", { lane: "macrotask", eventInterval: 1 }], ["growing from one slot", { capacity: 1 }]])("random programs end as the model says (%s)", async (__, options) => {
    await fc.assert(
      fc.asyncProperty(program, async (one) => {
        expect(await play(one, fn, options)).toEqual(model(one));
      }),
      { seed, numRuns: 60 },
    );
  }, 60_000);
});

test("the checker finds a bug: a model whose aborts come a millisecond late", async () => {
  const one: Program = { tasks: [[{ kind: "sleep", ms: 640 }]], aborts: [{ victim: 0, after: 2 }] };
  const late = model({ ...one, aborts: [...one.aborts.map(({ victim, after }) => ({ victim, after: after + 1 }))] });
  expect(await play(one, asGenerator, {})).not.toEqual(late);
  expect(await play(one, asGenerator, {})).toEqual(model(one));
});
