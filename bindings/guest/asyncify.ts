// Blocking code without JSPI: modules that Binaryen's Asyncify has been over (emcc -sASYNCIFY, wasm-opt --asyncify).
//
// Opt in: attach(runtime, guest, { asyncify }).
//
// Such a module can leave all of its functions and come back into them. A task suspends in these steps:
//
//   an import finds that it has to wait  start_unwind: the functions store their locals in the task's buffer and return
//   the task's function has returned     stop_unwind; other code runs, also of this module
//   the task was woken                   the stack pointer is set back, start_rewind, its function is called again
//   the same import is called again      stop_rewind, and it gives its result: arguments count in the first call only
//
// Emscripten's own support allows one suspended call at a time, because all share one C stack. Here each task has its
// own stack (stacks.ts) and its own buffer, so there may be as many as under JSPI.
// No other module's code may lie between the task's function and the import: so these imports are JavaScript.

import { OptionError, TokiwaError } from "../errors.ts";
import type { GuestAccess } from "./access.ts";
import { type BlockingCall, TK_ECANCELED, TK_EINVAL, TK_ENOMEM, TK_PENDING } from "./codes.ts";
import type { StackBody } from "./stacks.ts";

const REWINDING = 2;
const YIELD = 2;
/** A suspended frame takes its locals and a few words; C code that is 50 functions deep fits well. */
const BUFFER_SHARE = 4;
const BUFFER_MIN = 2048;
const HEADER_BYTES = 8;

/** The parts of guest-interface.ts that blocking calls are made of. */
export interface AsyncifyCalls {
  tk_wake(task: number): number;
  tk_timer_begin(task: number, ms: number): number;
  tk_timer_tick(): number;
  tk_timer_end(id: number, tick: number): void;
  tk_timer_fired(tick: number): number;
  tk_join_start(task: number, waiter: number): number;
  tk_await_start(promise: number, waiter: number): number;
  tk_io_poll(io: number, interest: number, waiter: number): number;
  tk_current(): number;
  setRunning(task: number): void;
  stackPointer(): number;
  restoreStack(pointer: number): void;
}

export interface AsyncifyHost {
  readonly calls: AsyncifyCalls;
  access(): GuestAccess;
  stackBytes(): number;
  bodyOf(task: number): StackBody | undefined;
  /** The same call, for code that cannot suspend. */
  readonly plain: Readonly<Record<BlockingCall, (...args: number[]) => number>>;
}

/** A blocking call under way: asked again after every wake. */
interface Wait {
  /** TK_PENDING, or the result. */
  poll(): number;
  /** Aborted: gives up what it holds. */
  drop(): void;
}

/** A task between its first call and its end. */
interface Frame {
  readonly buffer: number;
  readonly call: () => number;
  wait: Wait | undefined;
  /** Set while it unwinds. */
  woken: Promise<number> | undefined;
  /** What the suspension gave: 0, or TK_ECANCELED. */
  outcome: number;
  pointer: number;
}

interface Machinery {
  start_unwind(buffer: number): void;
  stop_unwind(): void;
  start_rewind(buffer: number): void;
  stop_rewind(): void;
  get_state(): number;
}

function ignore(): void {}

export class Asyncify {
  readonly #host: AsyncifyHost;
  readonly #frames = new Map<StackBody, Frame>();
  readonly #buffers: number[] = [];
  #machinery: Machinery | undefined;

  constructor(host: AsyncifyHost) {
    this.#host = host;
  }

  /** What the guest imports instead of the calls of the interface. */
  get imports(): Record<BlockingCall, (...args: number[]) => number> {
    const { calls } = this.#host;
    const until = (poll: () => number): Wait => ({ poll, drop: ignore });
    return {
      tk_sleep: this.#blocking("tk_sleep", (task, ms) => {
        const id = calls.tk_timer_begin(task, ms);
        if (id < -1) return id + 1;
        const tick = calls.tk_timer_tick();
        return { poll: () => (calls.tk_timer_fired(tick) ? 0 : this.#pending), drop: () => calls.tk_timer_end(id, tick) };
      }),
      tk_yield: this.#blocking("tk_yield", (task) => {
        let hasYielded = false;
        return until(() => {
          if (hasYielded) return 0;
          hasYielded = true;
          calls.tk_wake(task);
          return this.#pending;
        });
      }),
      tk_join_wait: this.#blocking("tk_join_wait", (task, other) => until(() => this.#mapped(calls.tk_join_start(other, task)))),
      tk_await_wait: this.#blocking("tk_await_wait", (task, promise) => until(() => this.#mapped(calls.tk_await_start(promise, task)))),
      tk_io_wait: this.#blocking("tk_io_wait", (task, io, interest) => until(() => this.#mapped(calls.tk_io_poll(io, interest, task)))),
      tk_block_on: this.#blocking("tk_block_on", (task, fn, arg) => {
        const { table } = this.#host.access();
        const poll = fn > 0 && fn < table.length ? (table.get(fn) as ((arg: number, self: number) => number) | null) : null;
        if (poll === null) return TK_EINVAL;
        return {
          poll: () => {
            const result = poll(arg, task);
            if (result === YIELD) calls.tk_wake(task);
            return result === TK_PENDING || result === YIELD ? this.#pending : result;
          },
          drop: () => void poll(arg, ~task),
        };
      }),
    };
  }

  /** No result of a guest's: 0 is one of theirs. */
  readonly #pending = Number.NaN;

  #mapped(state: number): number {
    return state === TK_PENDING ? this.#pending : state;
  }

  #blocking(name: BlockingCall, start: (task: number, first: number, second: number) => Wait | number): (...args: number[]) => number {
    return (first = 0, second = 0) => {
      const { calls, plain } = this.#host;
      const task = calls.tk_current();
      const body = task < 0 ? undefined : this.#host.bodyOf(task);
      const frame = body === undefined ? undefined : this.#frames.get(body);
      if (body === undefined || frame === undefined) return plain[name](first, second);
      const machinery = this.#use();
      if (machinery.get_state() === REWINDING) machinery.stop_rewind();
      else {
        if (name === "tk_sleep" && !(first >= 0)) return TK_EINVAL;
        const wait = start(task, first, second);
        if (typeof wait === "number") return wait;
        frame.wait = wait;
        frame.outcome = 0;
      }
      const wait = frame.wait as Wait;
      for (;;) {
        const result = frame.outcome === TK_ECANCELED ? TK_ECANCELED : wait.poll();
        if (!Number.isNaN(result)) {
          if (frame.outcome === TK_ECANCELED) wait.drop();
          frame.wait = undefined;
          return result;
        }
        const woken = body.suspend();
        if (typeof woken !== "number") {
          frame.woken = woken;
          frame.pointer = calls.stackPointer();            // the functions leave without putting it back
          machinery.start_unwind(frame.buffer);
          return 0;
        }
        frame.outcome = woken;
      }
    };
  }

  /** @throws {OptionError} when the module was not built for it */
  check(label: string): void {
    if (this.#find() === undefined) {
      throw new OptionError(`asyncify was given for ${label}, which Asyncify has not been over: link it with emcc $(npx tokiwa emscripten --ldflags --asyncify), or use wasm-opt --asyncify`);
    }
  }

  #find(): Machinery | undefined {
    const access = this.#host.access();
    const names = ["start_unwind", "stop_unwind", "start_rewind", "stop_rewind", "get_state"] as const;
    const found = Object.fromEntries(names.map((name) => [name, access.exported(`asyncify_${name}`) ?? access.exported(`_asyncify_${name}`)]));
    return Object.values(found).every((value) => typeof value === "function") ? (found as unknown as Machinery) : undefined;
  }

  #use(): Machinery {
    return (this.#machinery ??= this.#find() as Machinery);
  }

  /** Runs a task's function to its end, suspensions and all. */
  run(body: StackBody): Promise<number> {
    const access = this.#host.access();
    const fn = typeof body.fn === "number" ? (access.table.get(body.fn) as ((...args: number[]) => number) | null) : body.fn;
    if (fn === null) return Promise.reject(new TokiwaError("TOKIWA_GUEST_TRAP", `there is no function ${String(body.fn)}`));
    const buffer = this.#takeBuffer();
    if (buffer === 0) return Promise.resolve(TK_ENOMEM);
    const frame: Frame = { buffer, call: () => fn(...body.args), wait: undefined, woken: undefined, outcome: 0, pointer: body.top };
    this.#frames.set(body, frame);
    return new Promise((resolve, reject) => this.#step(body, frame, resolve, reject));
  }

  #step(body: StackBody, frame: Frame, resolve: (result: number) => void, reject: (error: unknown) => void): void {
    const { calls } = this.#host;
    const machinery = this.#use();
    const before = calls.stackPointer();
    let result = 0;
    try {
      calls.restoreStack(frame.pointer);
      calls.setRunning(body.handle);
      if (frame.wait !== undefined) machinery.start_rewind(frame.buffer);
      result = frame.call();
    } catch (error) {
      if (machinery.get_state() === REWINDING) machinery.stop_rewind();
      this.#frames.delete(body);                           // its buffer may be half written: it is not used again
      reject(error);
      return;
    } finally {
      calls.setRunning(-1);
      if (frame.woken !== undefined) machinery.stop_unwind();
      calls.restoreStack(before);
    }
    const { woken } = frame;
    if (woken === undefined) {
      this.#frames.delete(body);
      this.#buffers.push(frame.buffer);
      resolve(result);
      return;
    }
    frame.woken = undefined;
    void woken.then((outcome) => {
      frame.outcome = outcome;
      this.#step(body, frame, resolve, reject);
    });
  }

  /** The address of a buffer for a suspended task's locals, or 0. */
  #takeBuffer(): number {
    const old = this.#buffers.pop();
    if (old !== undefined) return old;
    const access = this.#host.access();
    const bytes = Math.max(BUFFER_MIN, this.#host.stackBytes() / BUFFER_SHARE) & -HEADER_BYTES;
    const at = access.allocate?.(bytes) ?? 0;
    if (at === 0 || access.memory === undefined) return 0;
    new Uint32Array(access.memory.buffer, at, 2).set([at + HEADER_BYTES, at + bytes]);
    return at;
  }
}

/** What `attach()` takes as `asyncify`. */
export interface AsyncifySupport {
  /** @internal */
  readonly open: (host: AsyncifyHost) => Asyncify;
}

/**
 * Blocking code on hosts without JSPI, in modules that Asyncify has been over: slower and larger (a third more Wasm), and
 * otherwise as under JSPI. `npx tokiwa emscripten --ldflags --asyncify` gives emcc what it needs.
 *
 * @example
 * const guest = await attach(runtime, createApp, { asyncify });
 * await guest.run("program");
 */
export const asyncify: AsyncifySupport = Object.freeze({ open: (host: AsyncifyHost) => new Asyncify(host) });
