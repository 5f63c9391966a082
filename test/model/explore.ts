// Runs small programs on the compiled core in every order in which their threads may take turns.
//
// All threads run on this one. Each is an async function that calls the model build through
// WebAssembly.promising; the build suspends in an import before every access to a shared word, and
// the explorer decides who goes on. So an execution is a list of choices, and a depth-first search over
// these lists is every execution: complete up to a number of preemptions (taking the turn away from
// a thread that could go on). Switching because a thread ended, sleeps or spins costs none.
//
// Accesses are sequentially consistent in the core, so the orders of whole accesses are all there is.
// A thread that sleeps in wait() can go on when it is notified, one that spins when the word changes which
// it looked at last. If nobody can go on before all have ended, that is a failure: a lost wake, or a
// lock that nobody opens. A wait with a time limit wakes up by itself only then.

/** The exports of a model build, as promising functions. */
export type Calls = Record<string, (...args: number[]) => Promise<number>>;
/**
 * @param kill stops another thread for ever, wherever it is
 * @param start lets one of the threads in `later` begin
 */
export type Thread = (calls: Calls, kill: (name: string) => void, start: (name: string) => void) => Promise<unknown>;

export interface Program {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Prepares the memory once, through an instance that does not suspend; each execution starts with this state. */
  setup(exports: Record<string, (...args: number[]) => number>, words: Int32Array): void;
  readonly threads: Readonly<Record<string, Thread>>;
  /** Threads that do not begin by themselves. */
  readonly later?: readonly string[];
  /** What the module imports beside the model's, of the thread `name`; undefined: of the instance for setup(). */
  imports?(name: string | undefined): WebAssembly.Imports;
  /** Tells the instance of a thread who it is, for modules that keep that in a global. It must touch no shared word. */
  join?(exports: Record<string, (...args: number[]) => number>, name: string): void;
  /** Forgets what the threads wrote in JavaScript. Before each execution. */
  reset?(): void;
  /** @returns what is wrong, or undefined. `results` are what the threads returned, in their order */
  check(results: readonly unknown[], words: Int32Array): string | undefined;
  /** Names an address in a printed schedule. */
  nameOf?(address: number): string;
}

export interface Options {
  /** default 2 */
  readonly preemptions?: number;
  /** Executions after which the search gives up, incomplete; default 1 000 000. */
  readonly limit?: number;
  /** Play only this list of choices, e.g. one that was printed. */
  readonly replay?: readonly number[];
}

export interface Result {
  readonly executions: number;
  /** Whether every execution within the number of preemptions was seen. */
  readonly complete: boolean;
  readonly failure?: Failure;
}

export interface Failure {
  readonly problem: string;
  /** One line per turn: who, and at which accesses. */
  readonly schedule: string;
  /** For `replay`. */
  readonly choices: readonly number[];
}

type Ready = "point" | "relax" | "wait" | "asleep" | "ended";

interface Task {
  readonly name: string;
  ready: Ready;
  address: number;
  expected: number;
  timed: boolean;
  /** Lets the thread go on; for a wait with whether its time ran out. */
  resume: (value: number) => void;
}

const PAGES = 4;
const STEPS_MAX = 2_000;

// JSPI is not in TypeScript's library yet.
const jspi = WebAssembly as unknown as {
  Suspending: new (f: (...args: number[]) => unknown) => WebAssembly.ImportValue;
  promising(f: unknown): (...args: number[]) => Promise<number>;
};

export class Explorer {
  readonly #program: Program;
  readonly #memory = new WebAssembly.Memory({ initial: PAGES, maximum: 65536, shared: true });
  readonly #words: Int32Array;
  readonly #start: Int32Array;
  readonly #calls: ReadonlyMap<string, Calls>;
  #current: Task | undefined;
  #settled: () => void = () => {};
  #asleep: Task[] = [];

  constructor(program: Program) {
    this.#program = program;
    this.#words = new Int32Array(this.#memory.buffer);
    const module = new WebAssembly.Module(program.bytes);
    const nothing = (): number => 0;
    const plain = new WebAssembly.Instance(module, {
      env: { memory: this.#memory },
      model: { point: nothing, relax: nothing, wait: nothing, notify: nothing },
      ...program.imports?.(undefined),
    });
    program.setup(plain.exports as Record<string, (...args: number[]) => number>, this.#words);
    this.#start = this.#words.slice();
    const suspend = (ready: Ready) =>
      new jspi.Suspending((address = 0, expected = 0, timed = 0) => this.#stop(ready, address, expected, timed !== 0));
    const imports = {
      env: { memory: this.#memory },
      model: { point: suspend("point"), relax: suspend("relax"), wait: suspend("wait"), notify: (address: number, all: number) => this.#notify(address, all !== 0) },
    };
    const callsOf = (name: string): [string, Calls] => {
      const { exports } = new WebAssembly.Instance(module, { ...imports, ...program.imports?.(name) });
      program.join?.(exports as Record<string, (...args: number[]) => number>, name);
      const functions = Object.entries(exports).filter(([, value]) => typeof value === "function");
      return [name, Object.fromEntries(functions.map(([key, value]) => [key, jspi.promising(value)]))];
    };
    this.#calls = new Map(Object.keys(program.threads).map(callsOf));
  }

  async explore({ preemptions = 2, limit = 1_000_000, replay }: Options = {}): Promise<Result> {
    let path: number[] = replay ? [...replay] : [];
    for (let executions = 1; ; executions++) {
      const { problem, choices, turns } = await this.#execute(path, preemptions);
      if (problem !== undefined) {
        const taken = choices.map(({ pick }) => pick);
        return { executions, complete: false, failure: { problem, schedule: this.#print(turns), choices: taken } };
      }
      let last = choices.length - 1;
      while (last >= 0 && choices[last]!.pick + 1 >= choices[last]!.of) last--;
      if (last < 0 || replay) return { executions, complete: !replay };
      if (executions >= limit) return { executions, complete: false };
      path = choices.slice(0, last).map(({ pick }) => pick);
      path.push(choices[last]!.pick + 1);
    }
  }

  async #execute(path: readonly number[], preemptions: number) {
    this.#words.set(this.#start);
    this.#asleep = [];
    this.#program.reset?.();
    const results: unknown[] = [];
    const choices: { pick: number; of: number }[] = [];
    const turns: { task: Task; address: number }[] = [];
    let problem: string | undefined;
    const kill = (victim: string): void => {
      const task = tasks.find(({ name }) => name === victim)!;
      task.ready = "ended";
      if (this.#asleep.includes(task)) this.#asleep.splice(this.#asleep.indexOf(task), 1);
    };
    const start = (name: string): void => {
      tasks.find((task) => task.name === name)!.ready = "point";
    };
    const tasks: Task[] = Object.entries(this.#program.threads).map(([name, body], i): Task => {
      const task: Task = { name, ready: this.#program.later?.includes(name) === true ? "ended" : "point", address: -1, expected: 0, timed: false, resume: () => {} };
      task.resume = () => {
        body(this.#calls.get(name)!, kill, start).then(
          (value) => (results[i] = value),
          (error: unknown) => (problem ??= `${name} threw ${String(error)}`),
        ).finally(() => {
          task.ready = "ended";
          this.#settled();
        });
      };
      return task;
    });

    let spent = 0;
    let current: Task | undefined;
    while (problem === undefined) {
      let able = tasks.filter((task) => this.#isAble(task));
      if (able.length === 0) {
        const left = tasks.filter(({ ready }) => ready !== "ended");
        if (left.length === 0) break;
        able = left.filter(({ ready, timed }) => ready === "asleep" && timed);
        if (able.length === 0) {
          problem = `${left.map(({ name, ready }) => `${name}: ${ready === "asleep" ? "asleep" : "spins"}`).join(", ")}, and nobody is left to notify`;
          break;
        }
      }
      if (current && able.includes(current)) {
        const going = current;
        able = spent < preemptions ? [going, ...able.filter((task) => task !== going)] : [going];
      }
      if (turns.length >= STEPS_MAX) {
        problem = `more than ${STEPS_MAX} steps`;
        break;
      }
      const pick = able.length > 1 ? (path[choices.length] ?? 0) : 0;
      if (able.length > 1) choices.push({ pick, of: able.length });
      const next = able[pick];
      if (!next) throw new Error(`choice ${choices.length} of the replay is ${pick}, of ${able.length}`);
      if (current && next !== current && able.includes(current)) spent++;
      current = next;
      turns.push({ task: current, address: current.address });
      await this.#step(current);
    }
    return { problem: problem ?? this.#program.check(results, this.#words), choices, turns };
  }

  #isAble({ ready, address, expected }: Task): boolean {
    if (ready === "relax") return Atomics.load(this.#words, address >>> 2) !== expected;
    return ready !== "ended" && ready !== "asleep";
  }

  /** Lets one thread go on to its next stop. */
  async #step(task: Task): Promise<void> {
    if (task.ready === "wait") {
      // As the processor does it: compare and fall asleep in one step.
      if (Atomics.load(this.#words, task.address >>> 2) === task.expected) {
        task.ready = "asleep";
        this.#asleep.push(task);
        return;
      }
    }
    const timedOut = task.ready === "asleep";
    if (timedOut) this.#asleep.splice(this.#asleep.indexOf(task), 1);
    this.#current = task;
    const settled = new Promise<void>((resolve) => (this.#settled = resolve));
    task.resume(timedOut ? 1 : 0);
    await settled;
  }

  #stop(ready: Ready, address: number, expected: number, timed: boolean): Promise<number> {
    const task = this.#current!;
    task.ready = ready;
    if (ready === "relax") task.expected = Atomics.load(this.#words, task.address >>> 2);
    else Object.assign(task, { address: address >>> 0, expected, timed });
    return new Promise<number>((resolve) => {
      task.resume = resolve;
      this.#settled();
    });
  }

  #notify(address: number, all: boolean): void {
    const sleeping = this.#asleep.filter((task) => task.address === address >>> 0).slice(0, all ? undefined : 1);
    for (const task of sleeping) task.ready = "point";
    this.#asleep = this.#asleep.filter((task) => !sleeping.includes(task));
  }

  #print(turns: readonly { task: Task; address: number }[]): string {
    const name = (address: number): string => (address < 0 ? "start" : (this.#program.nameOf?.(address) ?? `0x${address.toString(16)}`));
    const lines: string[] = [];
    let last: Task | undefined;
    for (const { task, address } of turns) {
      if (task !== last) lines.push(`${task.name}: ${name(address)}`);
      else lines[lines.length - 1] += `, ${name(address)}`;
      last = task;
    }
    return lines.join("\n");
  }
}

/** Explores a program. */
export function explore(program: Program, options: Options = {}): Promise<Result> {
  return new Explorer(program).explore(options);
}

/** The failure as a message for an assertion; empty when there is none. */
export function describeFailure({ failure, executions }: Result): string {
  return failure ? `${failure.problem} (execution ${executions})\n${failure.schedule}\nreplay: [${failure.choices.join(",")}]` : "";
}
