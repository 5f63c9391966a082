// Micro-benchmarks of the compiled core: node bench/core/main.mjs [--runs=9] [--shared] [name ...]
//
// ns of CPU time per operation, of this thread and its helpers (process.cpuUsage). The cases run in turn, round after
// round, and the table has the median of the rounds with the fastest and the slowest. Each case checks its own
// answer. `js_*` is a baseline: the same work in plain JavaScript.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

const path = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const source = transformSync(readFileSync(path("assembly/layout.ts"), "utf8"), { loader: "ts" }).code;
const layout = await import(`data:text/javascript,${encodeURIComponent(source)}`);
const { ARENA_BATCH, ARENA_STATES } = layout;

const args = process.argv.slice(2);
const runs = Number(args.find((arg) => arg.startsWith("--runs="))?.slice(7) ?? 9);
const shared = args.includes("--shared");
const wanted = args.filter((arg) => !arg.startsWith("--"));

const module = new WebAssembly.Module(readFileSync(path(shared ? "build/core.shared.wasm" : "build/core.wasm")));

/** A handle of no unit. */
const NOBODY = 2 ** 30 - 1;

function check(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${actual} instead of ${expected}`);
}

function makeArena(units, timers = 0) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared });
  const core = new WebAssembly.Instance(module, { env: { memory } }).exports;
  core.heapInit(1024);
  const a = core.arenaNew(units);
  for (let i = 0; i < units; i++) check(core.unitNew(a), i, "handle");
  // Tables grow before the clock starts.
  for (let i = 0; i < timers; i++) {
    while (core.timerInsert(a, 1 + (i % 1000), NOBODY) < 0) check(core.timersGrow(a), 1, "timersGrow");
  }
  check(core.look(a, 1_000), 0, "woken");
  const words = new Int32Array(memory.buffer);
  return { memory, core, a, words, states: words[(a + ARENA_STATES) >> 2] >> 2, batch: (a + ARENA_BATCH) >> 2, now: 1_000, full: false };
}

// The polling loops have literals, as a bundler puts them in place. Those are:
check(layout.NOTIFIED, 1, "NOTIFIED");
check(layout.YIELD, 0x40000000, "YIELD");
check(layout.DONE, 0x80000000 | 0, "DONE");
check(layout.INDEX_MASK, 0x3fffff, "INDEX_MASK");

/** Ends the units of an arena, so that they can be spawned. */
function emptied(arena) {
  for (let i = 0; arena.core.live(arena.a) > 0; i++) arena.core.unitFree(arena.a, i);
  return arena;
}

let seed = 88172645;
function random(limit) {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % limit;
}
function shuffled(count) {
  const list = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

/** Cases: { name, setup() -> state, run(state) -> operations }. Setup is not measured, and comes before every run. */
const cases = [];
const define = (name, setup, run) => cases.push({ name, setup, run });
const sizes = [["1k", 1_000], ["100k", 100_000], ["1m", 1_000_000]];

// ---- the loop

const POLLS = 2_000_000;
for (const [label, count] of [["1k", 1_000], ["50k", 50_000], ["1m", 1_000_000]]) {
  let arena;
  define(
    `turn_yield_${label}`,
    () => (arena ??= (() => {
      const made = makeArena(count);
      for (let i = 0; i < count; i++) made.core.wake(made.a, i);
      return made;
    })()),
    ({ core, a, words, states, batch }) => {
      let polls = 0;
      let polled = 0;
      while (polls < POLLS) {
        polled = core.turn(a, polled, 256);
        if (polled === 0) check(core.look(a, 0) > 0, true, "nothing is ready");
        for (let i = batch, end = batch + polled; i < end; i++) {
          const index = words[i];
          words[states + index] &= -2;
          words[i] = index | 0x40000000;
        }
        polls += polled;
      }
      core.turn(a, polled, 0);
      check(core.ready(a), count, "units that are ready");
      return polls;
    },
  );
  let waking;
  define(
    `turn_wake_${label}`,
    () => (waking ??= (() => {
      const made = makeArena(count);
      for (let i = 0; i < count; i++) made.core.wake(made.a, i);
      return made;
    })()),
    ({ core, a, words, states, batch }) => {
      const { wake } = core;
      let polls = 0;
      let polled = 0;
      while (polls < POLLS) {
        polled = core.turn(a, polled, 256);
        for (let i = batch, end = batch + polled; i < end; i++) {
          const index = words[i] & 0x3fffff;
          words[states + index] &= -2;
          wake(a, index);
        }
        polls += polled;
      }
      core.turn(a, polled, 0);
      check(core.ready(a), count, "units that are ready");
      return polls;
    },
  );
  const ring = new Int32Array(2 ** Math.ceil(Math.log2(count)));
  const state = new Uint8Array(count);
  define(
    `js_ring_${label}`,
    () => ({ ring, state: state.fill(0) }),
    ({ ring, state }) => {
      const mask = ring.length - 1;
      let head = 0;
      let tail = 0;
      for (let i = 0; i < count; i++) {
        state[i] = 1;
        ring[tail++ & mask] = i;
      }
      let polls = 0;
      for (; polls < POLLS; polls++) {
        const index = ring[head & mask];
        head = (head + 1) | 0;
        state[index] &= -2;
        if (!(state[index] & 3)) {
          state[index] |= 1;
          ring[tail & mask] = index;
          tail = (tail + 1) | 0;
        }
      }
      check(tail - head, count, "units in the ring");
      return polls;
    },
  );
}

{
  let arena;
  define("spawn_run_end_1k", () => (arena ??= emptied(makeArena(1_024))), ({ core, a, words, states, batch }) => {
    const { spawn } = core;
    let ops = 0;
    for (let round = 0; round < 1_000; round++) {
      for (let i = 0; i < 1_000; i++) if (spawn(a) < 0) throw new Error("full");
      for (let polled = core.turn(a, 0, 256); polled > 0; polled = core.turn(a, polled, 256)) {
        for (let i = batch, end = batch + polled; i < end; i++) {
          const index = words[i];
          words[states + index] &= -2;
          words[i] = index | 0x80000000;
        }
        ops += polled;
      }
    }
    check(core.live(a), 0, "live units");
    return ops;
  });
}

// ---- timers

/** Polls all that is ready, for nothing. */
function drain({ core, a, words, states, batch }) {
  let polls = 0;
  for (let polled = core.turn(a, 0, 256); polled > 0; polled = core.turn(a, polled, 256)) {
    for (let i = batch, end = batch + polled; i < end; i++) words[states + words[i]] &= -2;
    polls += polled;
  }
  return polls;
}

for (const [label, count] of sizes) {
  let arena;
  const order = shuffled(count);
  const ticks = Uint32Array.from({ length: count }, () => 1 + random(1_000));
  const ids = new Int32Array(count);
  const fill = ({ core: { timerInsert }, a, now }) => {
    for (let i = 0; i < count; i++) ids[i] = timerInsert(a, now + ticks[i], i);
    arena.full = true;
  };
  const empty = ({ core: { timerCancel }, a }) => {
    for (let i = 0; i < count; i++) timerCancel(a, ids[i]);
    arena.full = false;
  };
  const fire = (state) => {
    let fired = 0;
    for (let step = 1; step <= 1_000; step++) fired += state.core.look(state.a, ++state.now);
    check(fired, count, "fired");
    arena.full = false;
  };
  const isEmpty = ({ core, a }) => check(core.timerNext(a), Infinity, "the next timer");
  const full = () => {
    arena ??= makeArena(count, count);
    if (!arena.full) fill(arena);
    return arena;
  };
  const cleared = () => {
    arena ??= makeArena(count, count);
    if (arena.full) empty(arena);
    return arena;
  };

  if (count < 10_000) {
    // Too few for the clock: rounds of both.
    define(`timer_insert_and_cancel_${label}`, cleared, (state) => {
      for (let round = 0; round < 500; round++) {
        fill(state);
        empty(state);
      }
      isEmpty(state);
      return 500 * count;
    });
    define(`timer_insert_and_fire_${label}`, cleared, (state) => {
      for (let round = 0; round < 100; round++) {
        fill(state);
        fire(state);
        check(drain(state), count, "polled");
      }
      isEmpty(state);
      return 100 * count;
    });
  } else {
    define(`timer_insert_${label}`, cleared, (state) => {
      fill(state);
      check(ids[count - 1] >= 0, true, "the last is a timer");
      return count;
    });
    define(`timer_cancel_in_order_${label}`, full, (state) => {
      empty(state);
      isEmpty(state);
      return count;
    });
    define(`timer_cancel_random_${label}`, full, (state) => {
      const { a, core: { timerCancel } } = state;
      for (let i = 0; i < count; i++) timerCancel(a, ids[order[i]]);
      isEmpty(state);
      arena.full = false;
      return count;
    });
    define(
      `timer_fire_${label}`,
      () => {
        full();
        drain(arena);
        return arena;
      },
      (state) => {
        fire(state);
        return count;
      },
    );
  }
  define(`timer_churn_among_${label}`, full, ({ core: { timerInsert, timerCancel }, a, now }) => {
    for (let i = 0; i < 1_000_000; i++) timerCancel(a, timerInsert(a, now + 1_000 + (i & 1023), 5));
    return 1_000_000;
  });
}

// ---- the inbox

for (const [label, count, share] of [["dense", 65_536, 1], ["sparse", 65_536, 64]]) {
  let arena;
  define(`inbox_${label}`, () => (arena ??= makeArena(count)), (state) => {
    const { core: { look, wakeRemote }, a } = state;
    let woken = 0;
    for (let round = 0; round < 20 * share; round++) {
      for (let i = 0; i < count; i += share) wakeRemote(a, i);
      woken += look(a, 0);
      drain(state);
    }
    check(woken, 20 * count, "woken");
    return woken;
  });
}

const selected = cases.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const results = new Map(selected.map(({ name }) => [name, []]));
for (let round = 0; round <= runs; round++) {
  for (const { name, setup, run } of selected) {
    const state = setup();
    const before = process.cpuUsage();
    const operations = run(state);
    const { user, system } = process.cpuUsage(before);
    if (round > 0) results.get(name).push(((user + system) * 1_000) / operations);
  }
}

console.log(`Node ${process.version}, ${cpus()[0]?.model}, ${shared ? "shared" : "local"} core, ${runs} runs, ns of CPU time per operation`);
for (const [name, times] of results) {
  times.sort((x, y) => x - y);
  const [least, median, most] = [times[0], times[times.length >> 1], times.at(-1)].map((time) => time.toFixed(1).padStart(7));
  console.log(`${name.padEnd(28)} ${median}   (${least.trim()} - ${most.trim()})`);
}
