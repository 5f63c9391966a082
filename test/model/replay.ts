// Runs synchronous JavaScript that shares typed arrays in every order in which its threads may take turns, as explore.ts does with Wasm.
//
// JavaScript cannot be stopped in the middle, so a thread is run anew for each of its steps: the accesses it has made are answered
// from a log, the next one is made, and at the one after it is stopped by an exception. That is sound because a thread does nothing but
// compute from what it reads: everything that threads share, what the test itself notes down included, must lie in shared arrays.
//
// A step is an access through Atomics; plain accesses, which the code under test makes inside its own lock, belong to the step before,
// except the writes of a thread that may die between them.
// Looking at the same word twice in a row is one step: nothing lies between. A failed exchange on a lock goes on when the word changes.

export type Threads = Readonly<Record<string, (kill: (name: string) => void) => void>>;

export interface ReplayProgram {
  /** Makes the arrays with `share`, and the threads that use them. Called for each execution. */
  setup(share: <A extends Int32Array | Float64Array>(array: A) => A): { threads: Threads; check(): string | undefined };
  /** Called before each step of a thread, so that it is itself. */
  become(name: string): void;
  /** What Date.now() says: this much more at each look. */
  readonly tick?: number;
  /** A wait whose time has run out is no failure, nor one more look at a lock that stays taken: for programs in which somebody dies. */
  readonly mayTimeOut?: boolean;
  /** A thread that dies, perhaps inside a lock: each of its plain writes is a step of its own, too. */
  readonly dies?: string;
}

export interface ReplayResult {
  readonly executions: number;
  readonly complete: boolean;
  readonly failure?: { readonly problem: string; readonly schedule: string };
}

const STOP = new Error("stopped");
const STEPS_MAX = 3_000;

interface Thread {
  readonly name: string;
  readonly body: (kill: (name: string) => void) => void;
  readonly log: unknown[];
  ready: "able" | "spins" | "asleep" | "ended";
  /** What it waits for, or looked at last. */
  array: object | undefined;
  index: number;
  expected: number;
  last: string;
  error: unknown;
}

/** a a a b becomes a*3 b. */
function shorten(turns: readonly string[]): string {
  const runs: [string, number][] = [];
  for (const name of turns) {
    const last = runs.at(-1);
    if (last?.[0] === name) last[1]++;
    else runs.push([name, 1]);
  }
  return runs.map(([name, count]) => (count === 1 ? name : `${name}*${count}`)).join(" ");
}

type Numbers = Int32Array | Float64Array;

export class Replay {
  readonly #program: ReplayProgram;
  readonly #real: Atomics = Atomics;
  readonly #realNow: () => number = Date.now;
  #arrays = new Map<object, Numbers>();
  #threads: Thread[] = [];
  #current!: Thread;
  #cursor = 0;
  #mayStep = false;
  #isStopping = false;
  #timedOut = false;
  /** Nobody else runs: the accesses of the setup and the check take no turns. */
  #isChecking = false;
  #now = 0;

  constructor(program: ReplayProgram) {
    this.#program = program;
  }

  explore(preemptions: number, limit = 400_000): ReplayResult {
    const atomics = Object.create(this.#real) as Record<string, unknown>;
    for (const name of ["load", "store", "add", "compareExchange", "exchange", "wait", "notify"]) {
      atomics[name] = (array: object, index: number, ...args: number[]) => {
        if (!this.#arrays.has(array)) return (this.#real as unknown as Record<string, (...all: unknown[]) => unknown>)[name]!(array, index, ...args);
        return this.#access(name, array, index, args);
      };
    }
    (globalThis as { Atomics: unknown }).Atomics = atomics;
    Date.now = () => this.#logged(() => (this.#now += this.#program.tick ?? 0)) as number;
    try {
      let path: number[] = [];
      for (let executions = 1; ; executions++) {
        const { problem, choices, turns } = this.#execute(path, preemptions);
        if (problem !== undefined) return { executions, complete: false, failure: { problem, schedule: shorten(turns) } };
        let last = choices.length - 1;
        while (last >= 0 && choices[last]!.pick + 1 >= choices[last]!.of) last--;
        if (last < 0) return { executions, complete: true };
        if (executions >= limit) return { executions, complete: false };
        path = choices.slice(0, last).map(({ pick }) => pick);
        path.push(choices[last]!.pick + 1);
      }
    } finally {
      (globalThis as { Atomics: unknown }).Atomics = this.#real;
      Date.now = this.#realNow;
    }
  }

  #share<A extends Numbers>(array: A): A {
    const proxy = new Proxy(array, {
      get: (target, key) => {
        if (typeof key === "string" && /^\d+$/.test(key)) return this.#logged(() => target[Number(key)]);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
      set: (target, key, value: number) => {
        this.#write(() => (target[Number(key)] = value));
        return true;
      },
    });
    this.#arrays.set(proxy, array);
    return proxy;
  }

  /** A step of its own when the thread may die at it. */
  #write(make: () => unknown): void {
    const thread = this.#current;
    if (!this.#isChecking && thread.name === this.#program.dies && !this.#isStopping && this.#cursor >= thread.log.length) {
      if (!this.#mayStep) this.#stop();
      this.#mayStep = false;
      thread.last = "";
    }
    this.#logged(make);
  }

  /** Part of the step before: made once, answered from the log from then on. */
  #logged(make: () => unknown): unknown {
    if (this.#isStopping) throw STOP;
    const { log } = this.#current;
    if (this.#cursor < log.length) return log[this.#cursor++];
    const value = make();
    log.push(value);
    this.#cursor++;
    return value;
  }

  #stop(): never {
    this.#isStopping = true;
    throw STOP;
  }

  #access(name: string, array: object, index: number, args: number[]): unknown {
    if (this.#isStopping) throw STOP;
    const thread = this.#current;
    if (this.#cursor < thread.log.length) return thread.log[this.#cursor++];
    const key = `${name} ${[...this.#arrays.keys()].indexOf(array)} ${index}`;
    if (!this.#mayStep && !this.#isChecking && !(name === "load" && thread.last === key)) this.#stop();
    const words = this.#arrays.get(array)!;
    const [first = 0, second = 0] = args;
    if (name === "wait" && !this.#timedOut && words[index] === first) {
      Object.assign(thread, { ready: "asleep", array, index, expected: first });
      this.#stop();
    }
    this.#mayStep = false;
    thread.last = key;
    let value: unknown = words[index];
    if (name === "store") value = words[index] = first;
    else if (name === "add") words[index]! += first;
    else if (name === "exchange") words[index] = first;
    else if (name === "compareExchange") {
      if (value === first) words[index] = second;
      else Object.assign(thread, { ready: "spins", array, index, expected: value });
    } else if (name === "wait") value = this.#timedOut ? "timed-out" : "not-equal";
    else if (name === "notify") value = this.#notify(array, index, args.length === 0 ? Infinity : first);
    thread.log.push(value);
    this.#cursor++;
    if (thread.ready === "spins" && !this.#isChecking) this.#stop();
    return value;
  }

  #notify(array: object, index: number, count: number): number {
    let woken = 0;
    for (const thread of this.#threads) {
      if (woken === count || thread.ready !== "asleep" || thread.array !== array || thread.index !== index) continue;
      thread.ready = "able";
      thread.log.push("ok");
      woken++;
    }
    return woken;
  }

  #step(thread: Thread, timedOut: boolean): void {
    this.#current = thread;
    this.#cursor = 0;
    this.#mayStep = true;
    this.#isStopping = false;
    this.#timedOut = timedOut;
    thread.ready = "able";
    this.#program.become(thread.name);
    try {
      thread.body((victim) => this.#logged(() => void (this.#threads.find(({ name }) => name === victim)!.ready = "ended")));
      thread.ready = "ended";
    } catch (error) {
      if (error === STOP) return;
      thread.ready = "ended";
      thread.error = error;
    }
  }

  #isAble({ ready, array, index, expected }: Thread): boolean {
    if (ready === "spins") return this.#arrays.get(array!)![index] !== expected;
    return ready === "able";
  }

  #execute(path: readonly number[], preemptions: number) {
    this.#arrays = new Map();
    this.#now = 0;
    const choices: { pick: number; of: number }[] = [];
    const turns: string[] = [];
    // Shared arrays are real while they are made.
    this.#current = { log: [] } as unknown as Thread;
    this.#isStopping = false;
    this.#cursor = 0;
    this.#mayStep = true;
    this.#isChecking = true;
    const { threads, check } = this.#program.setup((array) => this.#share(array));
    this.#isChecking = false;
    this.#threads = Object.entries(threads).map(([name, body]): Thread => ({ name, body, log: [], ready: "able", array: undefined, index: 0, expected: 0, last: "", error: undefined }));
    let spent = 0;
    let current: Thread | undefined;
    for (;;) {
      const failed = this.#threads.find(({ error }) => error !== undefined);
      if (failed !== undefined) return { problem: `${failed.name}: ${String(failed.error)}`, choices, turns };
      let able = this.#threads.filter((thread) => this.#isAble(thread));
      let timedOut = false;
      if (able.length === 0) {
        const left = this.#threads.filter(({ ready }) => ready !== "ended");
        if (left.length === 0) break;
        able = left.filter(({ ready }) => ready === "asleep" || ready === "spins");
        timedOut = true;
        if (able.length === 0 || this.#program.mayTimeOut !== true) {
          return { problem: `${left.map(({ name, ready }) => `${name} ${ready}`).join(", ")}, and nobody is left to go on`, choices, turns };
        }
      }
      if (timedOut) able = [able.reduce((a, b) => (turns.lastIndexOf(b.name) < turns.lastIndexOf(a.name) ? b : a))];      // in turns: one of them ends it
      else if (current !== undefined && able.includes(current)) {
        const going = current;
        able = spent < preemptions ? [going, ...able.filter((thread) => thread !== going)] : [going];
      }
      if (turns.length > STEPS_MAX) return { problem: `more than ${STEPS_MAX} steps`, choices, turns };
      const pick = able.length > 1 ? (path[choices.length] ?? 0) : 0;
      if (able.length > 1) choices.push({ pick, of: able.length });
      const next = able[pick]!;
      if (current !== undefined && next !== current && able.includes(current)) spent++;
      current = next;
      turns.push(next.name);
      this.#step(next, timedOut);
    }
    this.#current = { log: [] } as unknown as Thread;
    this.#isStopping = false;
    this.#cursor = 0;
    this.#isChecking = true;
    try {
      return { problem: check(), choices, turns };
    } finally {
      this.#isChecking = false;
    }
  }
}
