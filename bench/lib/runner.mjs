// Runs cases: a process per side, sides taking turns, ratios from neighbouring turns.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { DEFAULT_TURNS, QUICK_TURNS, TURN_MS, WARM_UP_MS } from "./case.mjs";
import { ratios, summary } from "./stats.mjs";

const SIDE = fileURLToPath(new URL("./side.mjs", import.meta.url));

/** One side's process. Every request is answered, or rejected when the process ends or takes too long. */
class SideProcess {
  #child;
  #waiting;
  #failure;

  constructor(one, side, options) {
    this.#child = fork(SIDE, [one.file, one.name, side, String(options.turnMs), String(options.warmUpMs)], {
      execPath: options.node,
      execArgv: ["--expose-gc", "--max-old-space-size=6144", ...(one.execArgv ?? [])],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.timeoutMs = one.timeoutMs;
    this.#child.on("message", (message) => {
      if (message.type === "failed") this.#fail(new Error(message.error));
      else this.#take(message);
    });
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("exit", (code, signal) => this.#fail(new Error(`the process of ${side} ended (${signal ?? `code ${code}`})`)));
  }

  #fail(error) {
    this.#failure ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #take(message) {
    this.#waiting?.resolve(message);
    this.#waiting = undefined;
  }

  #answer() {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(new Error(`no answer within ${this.timeoutMs} ms`));
        this.#child.kill("SIGKILL");
      }, this.timeoutMs);
      this.#waiting = {
        resolve: (value) => (clearTimeout(timer), resolve(value)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      };
    });
  }

  ready() {
    return this.#answer();
  }

  turn() {
    const answer = this.#answer();
    if (!this.#failure) this.#child.send({ type: "turn" });
    return answer;
  }

  end() {
    this.#child.removeAllListeners("exit");
    this.#child.kill("SIGKILL");
  }
}

/**
 * @param options.node the binary that runs the sides
 * @param options.quick fewer turns
 * @param options.onTurn called with (name, turn, turns)
 * @returns { name, unit, clock, base, sides: { [name]: { ns, wallNs, ratio } | { skipped } | { failed } } }
 */
export async function runCase(one, options) {
  const settings = { turnMs: TURN_MS, warmUpMs: WARM_UP_MS, ...options };
  const turns = one.turns ?? (options.quick ? QUICK_TURNS : DEFAULT_TURNS);
  const results = {};
  const taken = new Map();
  const processes = new Map();

  for (const side of Object.keys(one.sides)) {
    const reason = one.skip[side]?.(settings);
    if (reason !== undefined) results[side] = { skipped: reason };
    else taken.set(side, []);
  }
  const attempt = async (side, work) => {
    try {
      return await work();
    } catch (error) {
      results[side] = { failed: error.message };
      taken.delete(side);
      processes.get(side)?.end();
      return undefined;
    }
  };
  const start = async (side) => {
    const running = new SideProcess(one, side, settings);
    processes.set(side, running);
    await running.ready();
    return running;
  };

  try {
    if (!one.fresh) for (const side of [...taken.keys()]) await attempt(side, () => start(side));
    for (let turn = 0; turn < turns; turn++) {
      options.onTurn?.(one.name, turn, turns);
      for (const side of [...taken.keys()]) {
        const result = await attempt(side, async () => {
          const running = one.fresh ? await start(side) : processes.get(side);
          const outcome = await running.turn();
          if (one.fresh) running.end();
          return outcome;
        });
        if (result !== undefined) taken.get(side).push(result);
      }
    }
  } finally {
    for (const running of processes.values()) running.end();
  }

  const base = taken.get(one.base);
  const key = one.clock === "wall" ? "wallNs" : "ns";
  for (const [side, list] of taken) {
    const of = (field) => list.map((result) => result[field]);
    results[side] = {
      ns: summary(of("ns")),
      wallNs: summary(of("wallNs")),
      ratio: base === undefined ? undefined : ratios(of(key), base.map((result) => result[key])),
    };
  }
  const { name, unit, clock, tokio, kind, ops } = one;
  return { name, unit, clock, kind, ops, tokio, base: one.base, turns, sides: results };
}
