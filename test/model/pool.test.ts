// Every order of workers that share jobs: queues, injector, mailboxes, falling asleep and being woken, and deaths at any instruction.
//
// The model build's queues have four places. A job that was queued must be started exactly once, or still be queued at the end; a
// worker whose sleep runs out while a job is queued is a lost wake.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  ASLEEP, ASLEEP_WITH_TASKS, FREE, INJECTOR_FACTOR, POOL_INJECTOR, POOL_THREADS, QUEUED, RECORD_STATE, RING_HEAD, RING_TAIL, STARTED, STATE_MASK, THREAD_BYTES, THREAD_DEQUE, THREAD_MAILBOX,
  THREAD_SCRATCH, THREAD_STATE,
} from "../../assembly/pool-layout.ts";
import { hasJspi } from "../support/lanes.ts";
import { type Calls, describeFailure, explore, type Program, type Thread } from "./explore.ts";

const BASE = 1024;
const SLOT_BITS = 3;
const bytes = new Uint8Array(readFileSync(fileURLToPath(new URL("../../build/pool.model.wasm", import.meta.url))));

type Exports = Record<string, (...args: number[]) => number>;

interface World {
  /** Numbers of the records that were started, by whoever. */
  started: number[];
  words: Int32Array;
  /** Says that a record holds a job, as its owner does before it queues it. */
  fill(record: number): void;
  stateOf(record: number): number;
}

/**
 * @param prepare what is there at the start; `queue` puts records into the queue of a worker
 * @param jobs all records that hold a job, sooner or later
 * @param dead workers that were killed, and whose own records are given up
 */
function pool(
  threads: Record<string, (world: World) => Thread>,
  { prepare, jobs, check, dead = [], later = [] }: { prepare?: (queue: (worker: number, record: number) => void, inject: (records: number[]) => void) => void; jobs: number[]; check?: (world: World, results: readonly unknown[]) => string | undefined; dead?: number[]; later?: string[] },
): Program {
  const names = Object.keys(threads);
  const numberOf = (name: string): number => Number(/\d+$/.exec(name)?.[0] ?? 0);
  const count = Math.max(...names.map(numberOf)) + 1;
  let plain: Exports;
  const world: World = {
    started: [],
    words: new Int32Array(0),
    fill: (record) => void (world.words[(plain["recordAt"]!(record) + RECORD_STATE) >> 2] = QUEUED),
    stateOf: (record) => world.words[(plain["recordAt"]!(record) + RECORD_STATE) >> 2]!,
  };
  return {
    bytes,
    setup(exports, words) {
      plain = exports;
      world.words = words;
      for (let t = 0; t < count; t++) {
        exports["join"]!(BASE, count, SLOT_BITS, t, 1);
        exports["begin"]!();
      }
      prepare?.(
        (worker, record) => {
          exports["join"]!(BASE, count, SLOT_BITS, worker, 1);
          world.fill(record);
          exports["push"]!(record);
        },
        (records) => {
          exports["join"]!(BASE, count, SLOT_BITS, 0, 1);
          for (const record of records) world.fill(record);
          words.set(records, scratchOf(0));
          exports["inject"]!(records.length);
        },
      );
    },
    join: (exports, name) => exports["join"]!(BASE, count, SLOT_BITS, numberOf(name), 1),
    threads: Object.fromEntries(Object.entries(threads).map(([name, make]) => [name, make(world)])),
    later,
    reset: () => void (world.started = []),
    check(results) {
      const { started } = world;
      if (new Set(started).size !== started.length) return `started twice: ${started.join(", ")}`;
      // What is left must be in a queue that lives.
      for (let t = 1; t < count; t++) {
        if (dead.includes(t)) continue;
        plain["join"]!(BASE, count, SLOT_BITS, t, 1);
        for (let record = plain["next"]!(); record >= 0; record = plain["next"]!()) started.push(record);
      }
      const lost = jobs.filter((record) => !started.includes(record) && (world.stateOf(record) & STATE_MASK) === QUEUED);
      if (lost.length > 0) return `lost: ${lost.join(", ")}`;
      if (new Set(started).size !== started.length) return `started twice: ${started.join(", ")}`;
      return check?.(world, results);
    },
    nameOf(address) {
      const offset = address - BASE;
      if (offset < POOL_THREADS) return `injector+${offset - POOL_INJECTOR}`;
      const thread = Math.floor((offset - POOL_THREADS) / THREAD_BYTES);
      const within = (offset - POOL_THREADS) % THREAD_BYTES;
      if (thread >= count) return `record or cell 0x${address.toString(16)}`;
      return within === THREAD_STATE ? `state${thread}` : within === THREAD_DEQUE ? `deque${thread}` : within >= THREAD_MAILBOX ? `mailbox${thread}+${within - THREAD_MAILBOX}` : `thread${thread}+${within}`;
    },
  };
}

function scratchOf(thread: number): number {
  return (BASE + POOL_THREADS + thread * THREAD_BYTES + THREAD_SCRATCH) >> 2;
}

/** Writes `records` to the scratch of a thread and calls. */
async function withScratch(world: World, calls: Calls, thread: number, records: number[], call: string, ...args: number[]): Promise<number> {
  world.words.set(records, scratchOf(thread));
  return calls[call]!(...args, records.length);
}

/** The same numbers again and again, until the injector is full. */
function floodOf(threads: number, ...records: number[]): number[] {
  return Array.from({ length: 2 ** Math.ceil(Math.log2((threads << SLOT_BITS) * INJECTOR_FACTOR)) }, (_, i) => records[i % records.length]!);
}

/** Takes up to `count` jobs. */
const take = (count: number) => (world: World): Thread => async ({ next }) => {
  for (let i = 0; i < count; i++) {
    const record = await next!();
    if (record >= 0) world.started.push(record);
  }
};

/** A worker's loop, until all `jobs` are started. A sleep that runs out while there are some is a lost wake. */
const work = (jobs: number) => (world: World): Thread => async ({ next, fallAsleep, sleep, wakeUp }) => {
  while (world.started.length < jobs) {
    const record = await next!();
    if (record >= 0) world.started.push(record);
    else if ((await fallAsleep!(ASLEEP)) === 1) {
      if ((await sleep!(1)) === 1 && world.started.length < jobs) throw new Error("the wake was lost");
      await wakeUp!();
    }
  }
};

const cases: [string, Program, number?][] = [
  [
    "an owner that pushes and pops, and a thief",
    pool(
      {
        worker1: (world) => async ({ push, next }) => {
          for (const record of [8, 9, 10]) {
            world.fill(record);
            await push!(record);
          }
          for (let i = 0; i < 2; i++) {
            const record = await next!();
            if (record >= 0) world.started.push(record);
          }
        },
        worker2: take(2),
      },
      { jobs: [8, 9, 10] },
    ),
  ],
  ["two thieves and the owner at one full queue", pool({ worker1: take(2), worker2: take(2), worker3: take(1) }, { jobs: [8, 9, 10, 11], prepare: (queue) => [8, 9, 10, 11].forEach((record) => queue(1, record)) })],
  [
    "a queue that overflows into the injector while it is robbed",
    pool(
      {
        worker1: (world) => async ({ push, next }) => {
          world.fill(12);
          await push!(12);
          const record = await next!();
          if (record >= 0) world.started.push(record);
        },
        worker2: take(2),
      },
      { jobs: [8, 9, 10, 11, 12], prepare: (queue) => [8, 9, 10, 11].forEach((record) => queue(1, record)) },
    ),
  ],
  [
    "a queue that overflows into a full injector: what has no place stays with its worker",
    pool(
      {
        worker1: (world) => async ({ push, start }) => {
          world.fill(12);
          const left = await push!(12);
          for (const record of [...world.words.subarray(scratchOf(1), scratchOf(1) + left)]) if ((await start!(record)) === 1) world.started.push(record);
        },
        worker2: take(2),
      },
      {
        jobs: [8, 9, 10, 11, 12],
        prepare: (queue, inject) => {
          [8, 9, 10, 11].forEach((record) => queue(1, record));
          inject(floodOf(3, 8));
        },
        check: ({ started }) => (started.length === 5 ? undefined : `started: ${started.join(", ")}`),
      },
    ),
  ],
  [
    "an injector with two producers and two consumers",
    pool(
      {
        owner0: (world) => async (calls) => {
          [0, 1].forEach(world.fill);
          await withScratch(world, calls, 0, [0, 1], "inject");
        },
        worker1: take(1),
        worker2: take(1),
        worker3: (world) => async (calls) => {
          world.fill(24);
          await withScratch(world, calls, 3, [24], "inject");
        },
      },
      { jobs: [0, 1, 24] },
    ),
    1,
  ],
  [
    "workers that fall asleep while jobs are injected",
    pool(
      {
        owner0: (world) => async (calls) => {
          for (const record of [0, 1]) {
            world.fill(record);
            await withScratch(world, calls, 0, [record], "inject");
            await calls["wakeOne"]!();
          }
        },
        worker1: work(2),
        worker2: work(2),
      },
      { jobs: [0, 1], check: ({ started }) => (started.length === 2 ? undefined : "not all were started") },
    ),
  ],
  [
    "a worker that falls asleep while another one queues a job and does not run it",
    pool(
      {
        worker1: (world) => async ({ push, wakeOne }) => {
          world.fill(8);
          await push!(8);
          await wakeOne!();
        },
        worker2: work(1),
      },
      { jobs: [8], check: ({ started }) => (started.length === 1 ? undefined : "nobody ran it") },
    ),
    3,
  ],
  [
    "the last searcher wakes another worker",
    pool(
      {
        worker1: (world) => async ({ push, wakeOne }) => {
          for (const record of [8, 9]) {
            world.fill(record);
            await push!(record);
            await wakeOne!();
          }
        },
        worker2: work(2),
        worker3: work(2),
      },
      { jobs: [8, 9] },
    ),
    1,
  ],
  [
    "a worker that is woken, and held by a task of its own: the owner looks again, and wakes another one",
    pool(
      {
        owner0: (world) => async (calls) => {
          world.fill(0);
          await withScratch(world, calls, 0, [0], "inject");
          await calls["wakeOne"]!();
          for (let looks = 0; (await calls["wakeAnother"]!()) >= 0; looks++) {
            if (looks > 20) throw new Error("nobody takes the job");
            if ((await calls["fallAsleep"]!(ASLEEP)) === 1) await calls["sleep"]!(1);
            await calls["wakeUp"]!();
          }
        },
        worker1: () => async ({ next, fallAsleep }) => ((await next!()) < 0 ? fallAsleep!(ASLEEP_WITH_TASKS) : "it has the job"),
        worker2: (world) => async ({ next, fallAsleep, sleep, wakeUp }) => {
          while ((world.stateOf(0) & STATE_MASK) !== STARTED) {
            const record = await next!();
            if (record >= 0) world.started.push(record);
            else if ((await fallAsleep!(ASLEEP)) === 1) {
              for (let naps = 0; (await sleep!(1)) === 1 && (world.stateOf(0) & STATE_MASK) !== STARTED; naps++) if (naps > 20) throw new Error("the wake was lost");
              await wakeUp!();
            }
          }
        },
      },
      { jobs: [0], check: ({ stateOf }) => ((stateOf(0) & STATE_MASK) === STARTED ? undefined : "nobody started it") },
    ),
  ],
  [
    "a worker that sleeps with tasks, and is held by one of them when it is woken: another one takes all that is queued",
    pool(
      {
        worker1: () => async ({ fallAsleep }) => fallAsleep!(ASLEEP_WITH_TASKS),
        worker2: (world) => async ({ push, wakeOne }) => {
          for (const record of [16, 17]) {
            world.fill(record);
            await push!(record);
            await wakeOne!();
          }
        },
        worker3: work(2),
      },
      { jobs: [16, 17], check: ({ started }) => (started.length === 2 ? undefined : "not all were started") },
    ),
    1,
  ],
  [
    "a task that queues a job while its worker sleeps in name, and holds it then",
    pool(
      {
        worker1: (world) => async ({ fallAsleep, push, wakeOne }) => {
          await fallAsleep!(ASLEEP_WITH_TASKS);
          world.fill(8);
          await push!(8);
          await wakeOne!();
        },
        worker2: work(1),
      },
      { jobs: [8], check: ({ started }) => (started.length === 1 ? undefined : "nobody ran it") },
    ),
    3,
  ],
  [
    "records that come back while their owner falls asleep",
    pool(
      {
        owner0: (world) => async ({ collect, fallAsleep, sleep, wakeUp }) => {
          let got = 0;
          while (got < 3) {
            got += await collect!();
            if (got === 3 || (await fallAsleep!(ASLEEP)) === 0) continue;
            if ((await sleep!(1)) === 1 && got < 3) throw new Error("the wake was lost");
            await wakeUp!();
          }
          return world.started.length;
        },
        worker1: (world) => async (calls) => {
          await withScratch(world, calls, 1, [0, 1], "post", 0);
        },
        worker2: (world) => async (calls) => {
          await withScratch(world, calls, 2, [2], "post", 0);
        },
      },
      { jobs: [] },
    ),
  ],
  [
    "a job that is cancelled while it is started",
    pool(
      {
        owner0: (world) => async ({ cancel }) => {
          if ((await cancel!(0)) === 1 && world.started.includes(0)) throw new Error("cancelled and started");
          return "cancelled";
        },
        worker1: take(1),
        worker2: take(1),
      },
      {
        jobs: [0],
        prepare: (queue) => queue(1, 0),
        check: ({ started, stateOf }) => {
          const state = stateOf(0);
          const ran = started.includes(0);
          return ran === ((state & STATE_MASK) === STARTED) && (ran || state === FREE) ? undefined : `state ${state}, started: ${ran}`;
        },
      },
    ),
    3,
  ],
];

/** A worker dies at any instruction; its pool's owner notices it then. @param heir begins in the place of the dead one */
const bury = (worker: number, heir?: string) => (): Thread => async ({ bury, requeue, wakeOne }, kill, start) => {
  kill(`worker${worker}`);
  await bury!(worker);
  if (heir !== undefined) start(heir);
  for (let tries = 0; (await requeue!()) === 0; tries++) if (tries > 20) throw new Error("the injector stays full");
  await wakeOne!();
};

const deaths: [string, Program, number?][] = [
  [
    "a thief dies while it steals",
    pool({ worker2: take(1), owner0: bury(2), worker1: take(1) }, { jobs: [8, 9, 10], dead: [2], prepare: (queue) => [8, 9, 10].forEach((record) => queue(1, record)) }),
  ],
  [
    "a worker dies while it takes from the injector",
    pool(
      { worker2: take(2), owner0: bury(2), worker1: take(2) },
      {
        jobs: [0, 1, 2],
        dead: [2],
        prepare: (_, inject) => inject([0, 1, 2]),
      },
    ),
  ],
  [
    "a worker dies while it injects",
    pool(
      {
        worker2: (world) => async (calls) => {
          world.fill(0);
          await withScratch(world, calls, 2, [0], "inject");
        },
        owner0: bury(2),
        worker1: (world) => async (calls) => {
          world.fill(8);
          await withScratch(world, calls, 1, [8], "inject");
        },
      },
      { jobs: [0, 8], dead: [2] },
    ),
  ],
  [
    "a worker dies while the injector is full, and another one takes its place",
    pool(
      {
        worker2: (world) => async ({ push, next }) => {
          world.fill(16);
          await push!(16);
          await next!();
        },
        owner0: bury(2, "heir2"),
        heir2: (world) => async ({ begin, push, next }) => {
          await begin!();
          world.fill(17);
          await push!(17);
          const record = await next!();
          if (record >= 0) world.started.push(record);
        },
      },
      {
        jobs: [0, 1, 17],
        later: ["heir2"],
        prepare: (_, inject) => inject(floodOf(3, 0, 1)),
        check: ({ started, stateOf }) => (started.includes(17) && stateOf(17) === (STARTED | (2 << 8)) ? undefined : `state of the new worker's job: ${stateOf(17)}`),
      },
    ),
    1,
  ],
  [
    "a worker dies while its records come back to it: the one in its place gets them",
    pool(
      {
        worker1: () => async ({ collect }) => collect!(),
        worker2: (world) => async (calls) => {
          await withScratch(world, calls, 2, [9], "post", 1);
          await withScratch(world, calls, 2, [10], "post", 1);
        },
        owner0: bury(1, "heir1"),
        heir1: () => async ({ begin, collect }) => {
          await begin!();
          return collect!();
        },
      },
      {
        jobs: [],
        later: ["heir1"],
        check: ({ words }, [dead, , , heir]) => {
          const mailbox = (BASE + POOL_THREADS + THREAD_BYTES + THREAD_MAILBOX) >> 2;
          const left = words[mailbox + (RING_TAIL >> 2)]! - words[mailbox + (RING_HEAD >> 2)]!;
          const taken = words[mailbox + (RING_HEAD >> 2)]! - ((heir as number) ?? 0);
          return left + ((heir as number) ?? 0) + taken === 2 && taken <= ((dead as number | undefined) ?? 2) ? undefined : `left ${left}, taken ${String(dead)} by the dead one, ${String(heir)} by the heir`;
        },
      },
    ),
    1,
  ],
  [
    "the robbed worker dies",
    pool({ worker1: take(1), owner0: bury(1), worker2: take(2) }, { jobs: [0, 1, 2], dead: [1], prepare: (queue) => [0, 1, 2].forEach((record) => queue(1, record)) }),
  ],
];

describe.skipIf(!hasJspi)(`a pool, in every order with two preemptions${hasJspi ? "" : " (skipped: this Node has no JSPI)"}`, () => {
  test.each(cases)("%s", { timeout: 120_000 }, async (_, program, preemptions = 2) => {
    const result = await explore(program, { preemptions });
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
    expect(result.executions).toBeGreaterThan(5);
  });

  test.each(deaths)("%s: nothing is lost, nothing is started twice", { timeout: 120_000 }, async (_, program, preemptions = 2) => {
    const result = await explore(program, { preemptions });
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
    expect(result.executions).toBeGreaterThan(20);
  });

});
