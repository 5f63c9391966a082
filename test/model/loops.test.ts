// Every order of threads that run a guest's loops: stealing, parking and being woken, joins, aborts, loops that are freed and the guest
// that is detached meanwhile.
//
// The model build's rings have four places, and a loop three of them. Tasks are functions of JavaScript here, which may call the loops
// themselves. What must hold in every order:
//   - a task is polled by one thread at a time, at least once after each wake, and not after it has ended
//   - a thread that is parked while there is something to do is a lost wake: the explorer finds nobody who could go on
//   - memory is given back once, and nobody touches it then: it is never used again here, and is looked at in the end
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ECANCELED, ECLOSED, EINVAL, PENDING, READY, YIELD } from "../../assembly/codes.ts";
import { BOX_HEAD, EMPTIED, ROOT_BYTES, ROOT_STATE } from "../../assembly/loops/layout.ts";
import { hasJspi } from "../support/lanes.ts";
import { type Calls, describeFailure, explore, type Program, type Thread } from "./explore.ts";

const bytes = new Uint8Array(readFileSync(fileURLToPath(new URL("../../build/guest-loops.model.wasm", import.meta.url))));

const HEAP = 1024;
const POISON = 0xdddddddd | 0;
/** A handle of the main thread's own loop. */
const MAIN_TASK = 5;

type Exports = Record<string, (...args: number[]) => number>;
type Poll = (world: World, calls: Calls, self: number) => number | Promise<number>;

// (module (import "e" "f" (func (param i32 i32) (result i32))) (func (export "g") ... call $f)): a function that a table takes, and that may suspend.
const TRAMPOLINE = new WebAssembly.Module(
  new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 2, 7, 1, 1, 101, 1, 102, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 103, 0, 1, 10, 10, 1, 8, 0, 32, 0, 32, 1, 16, 0, 11]),
);
const { Suspending } = WebAssembly as unknown as { Suspending: new (f: (...args: number[]) => unknown) => WebAssembly.ImportValue };

interface Watched {
  polls: number;
  isInside: boolean;
  hasEnded: boolean;
  last: number;
}

/** One guest: its memory, its clock, and what was seen of its tasks. */
class World {
  root = 0;
  loop = 0;
  words: Int32Array = new Int32Array(0);
  time = 0;
  /** By the argument of the task. */
  tasks = new Map<number, Watched>();
  /** What threads tell each other. */
  flag = 0;
  problem: string | undefined;
  #top = HEAP;
  #topAtStart = HEAP;
  #blocks = new Map<number, number>();
  #blocksAtStart = new Map<number, number>();
  #freed = new Map<number, number>();

  allocate(bytes: number): number {
    const at = this.#top;
    this.#top += (bytes + 7) & ~7;
    this.#blocks.set(at, bytes);
    return at;
  }

  free(at: number, bytes: number): void {
    if (this.#blocks.get(at) !== bytes) this.problem ??= `${at} is given back, of ${bytes} bytes: that was not allocated`;
    this.#blocks.delete(at);
    this.#freed.set(at, bytes);
    this.words.fill(POISON, at >> 2, (at + bytes) >> 2);
  }

  /** Bytes that were not given back, root aside. */
  get used(): number {
    return [...this.#blocks.values()].reduce((sum, bytes) => sum + bytes, 0) - ROOT_BYTES;
  }

  checkMemory(): string | undefined {
    for (const [at, bytes] of this.#freed) {
      for (let word = at >> 2; word < (at + bytes) >> 2; word++) if (this.words[word] !== POISON) return `${word * 4} was written after it had been given back`;
    }
    return undefined;
  }

  rememberStart(): void {
    this.#topAtStart = this.#top;
    this.#blocksAtStart = new Map(this.#blocks);
  }

  reset(): void {
    this.#top = this.#topAtStart;
    this.#blocks = new Map(this.#blocksAtStart);
    this.#freed.clear();
    this.tasks.clear();
    this.time = this.flag = 0;
    this.problem = undefined;
  }

  watch(arg: number): Watched {
    let found = this.tasks.get(arg);
    if (found === undefined) this.tasks.set(arg, (found = { polls: 0, isInside: false, hasEnded: false, last: 0 }));
    return found;
  }

  /** How tasks with these arguments have ended: a result, ECANCELED, or "lives". */
  ends(...args: number[]): (number | string)[] {
    return args.map((arg) => (this.watch(arg).hasEnded ? this.watch(arg).last : "lives"));
  }
}

interface Scene {
  /** Functions of the guest: fn 1, 2, ... */
  polls: readonly Poll[];
  /** Before all threads, on an instance of its own; what it returns is shown to the threads. */
  prepare?(exports: Exports, world: World): void;
  threads: Record<string, (world: World, calls: Calls, kill: (name: string) => void) => Promise<unknown>>;
  check?(world: World, results: readonly unknown[], exports: Exports): string | undefined;
}

function scene({ polls, prepare, threads, check }: Scene): Program {
  const world = new World();
  let plain: Exports;
  const host = { root: () => world.root, allocate: (n: number) => world.allocate(n), free: (at: number, n: number) => world.free(at, n), growTable: () => 0, nap() {}, now: () => ++world.time };
  const tables = new Map<string | undefined, Calls>();

  const polled = (name: string | undefined, poll: Poll) => (arg = 0, self = 0): number | Promise<number> => {
    const task = world.watch(arg);
    if (task.hasEnded) world.problem ??= `task ${arg} was polled after it had ended`;
    if (task.isInside) world.problem ??= `task ${arg} was polled by two threads at once`;
    task.isInside = true;
    task.polls++;
    const note = (result: number): number => {
      task.isInside = false;
      if (self < 0 || (result !== PENDING && result !== YIELD)) {
        task.hasEnded = true;
        task.last = self < 0 ? ECANCELED : result;
      }
      return result;
    };
    const result = poll(world, tables.get(name)!, self);
    return typeof result === "number" ? note(result) : result.then(note);
  };
  const fillTable = (exports: Exports, name: string | undefined): void => {
    const table = exports["table"] as unknown as WebAssembly.Table;
    table.grow(polls.length + 1 - table.length);
    polls.forEach((poll, i) => {
      const f = polled(name, poll);
      const { exports: made } = new WebAssembly.Instance(TRAMPOLINE, { e: { f: name === undefined ? f : new Suspending(f) } });
      table.set(i + 1, made["g"]);
    });
  };

  return {
    bytes,
    imports: () => ({ host }),
    setup(exports, words) {
      plain = exports;
      world.words = words;
      fillTable(exports, undefined);
      world.root = exports["format"]!();
      exports["init"]!(world.root, polls.length + 1, 1);
      world.loop = exports["tk_loop_new"]!();
      prepare?.(exports, world);
      world.rememberStart();
    },
    join: (exports, name) => fillTable(exports, name),
    threads: Object.fromEntries(
      Object.entries(threads).map(([name, body]): [string, Thread] => [
        name,
        async (calls, kill) => {
          tables.set(name, calls);
          await calls["init"]!(world.root, polls.length + 1, 1);
          return body(world, calls, kill);
        },
      ]),
    ),
    reset: () => world.reset(),
    check: (results) => world.problem ?? check?.(world, results, plain) ?? world.checkMemory(),
    nameOf: (address) => `0x${(address - world.root).toString(16)}`,
  };
}

// ---- threads

/** Runs the loop until it is stopped. */
const run = async (world: World, calls: Calls): Promise<number> => {
  const entered = await calls["enter"]!(world.loop);
  if (entered !== READY) return entered;
  const result = await calls["run"]!();
  await calls["leave"]!();
  return result;
};

const drive = (polls: number) => async (world: World, calls: Calls): Promise<void> => {
  if ((await calls["enter"]!(world.loop)) !== READY) throw new Error("not entered");
  await calls["drive"]!(polls, Infinity);
  await calls["leave"]!();
};

const free = async (world: World, calls: Calls): Promise<number> => {
  const claimed = await calls["claimLoop"]!(world.loop);
  return claimed === READY ? calls["finishFree"]!() : claimed;
};

/** The function a task's `fn` is called by, counted from 1, and its argument: the number it is watched by. */
const spawn = (fn: number, arg: number) => (exports: Exports, world: World): number => exports["tk_spawn_on"]!(world.loop, fn, arg);

// ---- tasks

const once: Poll = () => READY;

/** Ends when all of `flag` is there, and stops the loop. */
const flagged = (goal: number): Poll => async (world, calls, self) => {
  if (self < 0) return READY;
  if (world.flag < goal) return PENDING;
  await calls["tk_loop_stop"]!(world.loop);
  return 7;
};

/** Counts, and the last one stops the loop. */
const counted = (goal: number): Poll => async (world, calls) => {
  if (++world.flag === goal) await calls["tk_loop_stop"]!(world.loop);
  return READY;
};

/** Starts tasks of function 2 on the thread's own ring. */
const starting = (args: readonly number[]): Poll => async (_, calls) => {
  for (const arg of args) await calls["tk_spawn_detached"]!(2, arg);
  return READY;
};

const allEnd = (...args: number[]) => (world: World): string | undefined => {
  const ends = world.ends(...args);
  return ends.every((end) => end === READY) && args.every((arg) => world.watch(arg).polls === 1) ? undefined : `ended: ${ends.join(", ")}`;
};

/** What nobody has run is still there, and is run now. */
const restEnds = (...args: number[]) => (world: World, _: unknown, exports: Exports): string | undefined => {
  exports["init"]!(world.root, 3, 1);
  exports["enter"]!(world.loop);
  exports["drive"]!(100, Infinity);
  exports["leave"]!();
  return allEnd(...args)(world);
};

const cases: [string, Program, number?][] = [
  [
    "two threads take from one injector",
    scene({ polls: [once], prepare: (exports, world) => [1, 2, 3].forEach((arg) => spawn(1, arg)(exports, world)), threads: { a: drive(2), b: drive(2) }, check: restEnds(1, 2, 3) }),
  ],
  [
    "a thread whose tasks another one steals",
    scene({ polls: [starting([11, 12, 13]), once], prepare: (exports, world) => void spawn(1, 1)(exports, world), threads: { owner: drive(3), thief: drive(2) }, check: restEnds(1, 11, 12, 13) }),
  ],
  [
    "a ring that overflows into the injector while it is robbed",
    scene({ polls: [starting([11, 12, 13, 14, 15]), once], prepare: (exports, world) => void spawn(1, 1)(exports, world), threads: { owner: drive(2), thief: drive(2) }, check: restEnds(1, 11, 12, 13, 14, 15) }),
  ],
  [
    "a thread that parks while tasks are started from outside",
    scene({
      polls: [counted(2)],
      threads: { runner: run, main: async (world, calls) => [await calls["tk_spawn_detached_on"]!(world.loop, 1, 1), await calls["tk_spawn_detached_on"]!(world.loop, 1, 2)] },
      check: allEnd(1, 2),
    }),
  ],
  [
    "two threads that park while a task starts others (one preemption)",
    scene({ polls: [starting([11, 12]), counted(2)], threads: { a: run, b: run, main: async (world, calls) => calls["tk_spawn_detached_on"]!(world.loop, 1, 1) }, check: allEnd(1, 11, 12) }),
    1,
  ],
  [
    "a task that two threads wake",
    scene({
      polls: [flagged(2)],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: Object.fromEntries([
        ["runner", run],
        ...["x", "y"].map((name) => [name, async (world: World, calls: Calls) => {
          world.flag++;
          await calls["tk_wake"]!(1 << 30);                 // the first handle there is
        }]),
      ]) as Scene["threads"],
      check: (world) => (world.ends(1)[0] === 7 ? undefined : "it did not end"),
    }),
  ],
  [
    "a task that ends while a thread waits for it",
    scene({
      polls: [async (world, calls) => (await calls["tk_loop_stop"]!(world.loop), 7)],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: { runner: run, joiner: async (_, calls) => [await calls["tk_join_wait"]!(1 << 30), await calls["tk_result"]!()] },
      check: (_, [, joined]) => (String(joined) === "1,7" ? undefined : `joined: ${String(joined)}`),
    }),
  ],
  [
    "a task that ends while two wait for it: each has its result, or is woken",
    scene({
      polls: [() => 7],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: {
        runner: drive(1),
        x: async (_, calls) => calls["tk_join_start"]!(1 << 30, MAIN_TASK),
        y: async (_, calls) => calls["tk_join_start"]!(1 << 30, MAIN_TASK + 1),
      },
      check: (_, [, x, y], exports) => {
        const woken = [0, 1, 2, 3].map(() => exports["takeMail"]!());
        const isTold = [x, y].every((state, i) => state !== PENDING || woken.includes(MAIN_TASK + i));
        return isTold ? undefined : `joined: ${String(x)}, ${String(y)}, woken: ${String(woken)}`;
      },
    }),
  ],
  [
    "an abort, a wake and the end of a task at once",
    scene({
      polls: [(world) => (world.flag > 0 ? 7 : PENDING)],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: {
        runner: drive(3),
        aborter: async (_, calls) => calls["tk_abort"]!(1 << 30),
        waker: async (world, calls) => {
          world.flag = 1;
          await calls["tk_wake"]!(1 << 30);
        },
      },
      check: (world, [, aborted], exports) => {
        restEnds()(world, undefined, exports);
        const [end] = world.ends(1);
        return end === 7 || (end === ECANCELED && aborted === 1) ? undefined : `aborted: ${String(aborted)}, ended: ${end}`;
      },
    }),
  ],
  [
    "a loop that is freed while a task of it is woken, aborted and started there",
    scene({
      polls: [() => PENDING],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: {
        owner: free,
        waker: async (_, calls) => calls["tk_wake"]!(1 << 30),
        starter: async (world, calls) => calls["tk_spawn_detached_on"]!(world.loop, 1, 2),
      },
      check: (world, [freed, , started]) => {
        if (freed !== READY) return `freed: ${String(freed)}`;
        if (world.ends(1)[0] !== ECANCELED) return "its task lives";
        return (started as number) > 0 === (world.ends(2)[0] === ECANCELED) && ((started as number) > 0 || started === EINVAL) ? undefined : `started: ${String(started)}`;
      },
    }),
  ],
  [
    "a loop that one thread frees as another enters it",
    scene({
      polls: [once],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: {
        owner: free,
        runner: async (world, calls) => {
          const entered = await calls["enter"]!(world.loop);
          if (entered !== READY) return entered;
          await calls["drive"]!(1, Infinity);
          await calls["leave"]!();
          return READY;
        },
        other: async (_, calls) => calls["tk_loop_new"]!(),
      },
      check: (world, [freed, entered]) => (freed === READY || entered === READY ? (world.ends(1)[0] === "lives" ? "its task lives" : undefined) : `freed: ${String(freed)}, entered: ${String(entered)}`),
    }),
  ],
  [
    "the guest is detached while a thread runs, one waits and one calls: the last one out gives everything back",
    scene({
      polls: [() => PENDING],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: {
        runner: run,
        waiter: async (_, calls) => calls["tk_join_wait"]!(1 << 30),
        closer: async (_, calls) => calls["closeAll"]!(),
      },
      check: (world, [ran, waited]) => {
        if (ran !== ECLOSED || waited !== ECLOSED) return `ran: ${String(ran)}, waited: ${String(waited)}`;
        if (world.words[(world.root + ROOT_STATE) >> 2] !== EMPTIED || world.used !== 0) return `${world.used} bytes are left`;
        return undefined;
      },
    }),
  ],
  [
    "the guest is detached while threads start, wake and make loops",
    scene({
      polls: [() => PENDING],
      prepare: (exports, world) => void spawn(1, 1)(exports, world),
      threads: {
        closer: async (_, calls) => calls["closeAll"]!(),
        starter: async (world, calls) => calls["tk_spawn_on"]!(world.loop, 1, 2),
        waker: async (_, calls) => [await calls["tk_wake"]!(1 << 30), await calls["tk_loop_new"]!()],
      },
      check: (world) => (world.used === 0 ? undefined : `${world.used} bytes are left`),
    }),
  ],
  [
    "wakes for the main thread, from two threads, while it empties its box",
    scene({
      polls: [once],
      threads: {
        x: async (_, calls) => calls["tk_wake"]!(MAIN_TASK),
        y: async (_, calls) => calls["tk_wake"]!(MAIN_TASK + 1),
        main: async (_, calls) => [await calls["takeMail"]!(), await calls["takeMail"]!()],
      },
      check: (world, [, , taken], exports) => {
        const all = [...(taken as number[]), exports["takeMail"]!(), exports["takeMail"]!()].filter((task) => task >= 0).sort((a, b) => a - b);
        return String(all) === `${MAIN_TASK},${MAIN_TASK + 1}` ? undefined : `taken: ${all.join(", ")}, head ${world.words[(world.root + BOX_HEAD) >> 2]}`;
      },
    }),
  ],
  [
    "a thread that sleeps beside one that runs a loop",
    scene({
      polls: [once],
      threads: {
        runner: run,
        sleeper: async (world, calls) => {
          const slept = await calls["tk_sleep"]!(2);
          await calls["tk_loop_stop"]!(world.loop);
          return slept;
        },
      },
      check: (_, [, slept]) => (slept === 0 ? undefined : `slept: ${String(slept)}`),
    }),
  ],
];

describe.skipIf(!hasJspi)(`loops of a guest's threads, in every order with two preemptions${hasJspi ? "" : " (skipped: this Node has no JSPI)"}`, () => {
  test.each(cases)("%s", { timeout: 120_000 }, async (_, program, preemptions = 2) => {
    const result = await explore(program, { preemptions });
    expect(describeFailure(result)).toBe("");
    expect(result.complete).toBe(true);
    expect(result.executions).toBeGreaterThan(20);
  });
});
