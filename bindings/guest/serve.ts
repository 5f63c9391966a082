// A worker's side of a guest's threads: instances of guests by their key, and the jobs that run on them.
//
// A job's block in the guest's memory: tk_call of tokiwa-threads.h, then the bytes of the input. It is freed
// when the job has ended; after a trap too, although what the code had allocated then stays.

import { OptionError, TokiwaError } from "../errors.ts";
import type { Future, Suspend } from "../future.ts";
import { Runtime } from "../runtime.ts";
import { fromPromise } from "../task/promise.ts";
import { move } from "../workers/sendable.ts";
import { attach, bindingOfGuest, type EmscriptenFactory, type Guest } from "./attach.ts";
import type { Binding } from "./binding.ts";
import type { JobOutcome, JobRequest, StartRequest } from "./serve-wire.ts";
import { remoteTickets, rootTickets } from "./tickets.ts";

/** tk_call: input, its length, output, its length, and four words that are the guest's. */
const CALL_BYTES = 32;

class Instance {
  readonly #binding: Binding;

  constructor(binding: Binding) {
    this.#binding = binding;
  }

  /** The block of a new job. @throws {TokiwaError} `TOKIWA_OUT_OF_MEMORY` */
  #open(bytes: Uint8Array): number {
    const { access, label } = this.#binding;
    const block = (access.allocate?.(CALL_BYTES + bytes.length) ?? 0) >>> 0;
    if (block === 0 || access.memory === undefined) {
      throw new TokiwaError("TOKIWA_OUT_OF_MEMORY", `${label} has no memory for the ${bytes.length} bytes of a job on this thread`);
    }
    const { buffer } = access.memory;
    new Uint32Array(buffer, block, CALL_BYTES >>> 2).fill(0).set([block + CALL_BYTES, bytes.length]);
    new Uint8Array(buffer, block + CALL_BYTES, bytes.length).set(bytes);
    return block;
  }

  #close(block: number, length: number, result: number): JobOutcome {
    const { access, label } = this.#binding;
    const { buffer } = access.memory as WebAssembly.Memory;
    const words = new Uint32Array(buffer, block, CALL_BYTES >>> 2);
    const output = words[2] as number;
    const count = words[3] as number;
    if (output + count > buffer.byteLength) throw new OptionError(`output of a job of ${label} must lie in its memory, got ${count} bytes at ${output}`);
    const bytes = output === 0 || count === 0 ? undefined : (new Uint8Array(buffer, output, count).slice() as Uint8Array<ArrayBuffer>);
    if (output !== 0) access.free?.(output, count);
    access.free?.(block, CALL_BYTES + length);
    return bytes === undefined ? result : move({ result, bytes }, [bytes.buffer]);
  }

  call(fn: number, bytes: Uint8Array): JobOutcome {
    const block = this.#open(bytes);
    let result = 0;
    try {
      result = this.#binding.callGuest(fn, block);
    } catch (error) {
      this.#binding.access.free?.(block, CALL_BYTES + bytes.length);
      throw error;
    }
    return this.#close(block, bytes.length, result);
  }

  *poll(fn: number, bytes: Uint8Array): Generator<Suspend, JobOutcome, unknown> {
    const block = this.#open(bytes);
    const free = (): void => void this.#binding.access.free?.(block, CALL_BYTES + bytes.length);
    let state: "running" | "over" | "dropped" = "running";
    // An abort drops the future now, and the task has its last poll later: its block must be there for that.
    const task: Future<number> = this.#binding.pollTask(fn, block, () => void (state === "dropped" && free()));
    try {
      const result = yield* task;
      state = "over";
      return this.#close(block, bytes.length, result);
    } catch (error) {
      if (state === "running") free();
      state = "over";
      throw error;
    } finally {
      if (state === "running") state = "dropped";
    }
  }
}

const NOTHING = new Uint8Array(0);
const instances = new Map<string, Instance | Promise<Instance>>();

async function imported(url: string): Promise<WebAssembly.Imports> {
  const names = (await import(/* @vite-ignore */ /* webpackIgnore: true */ url)) as { default?: unknown };
  const imports: unknown = typeof names.default === "function" ? await (names.default as () => unknown)() : names.default;
  if (typeof imports !== "object" || imports === null) throw new OptionError(`the default export of ${url} must be an object of imports, or a function that returns one`);
  return imports as WebAssembly.Imports;
}

async function emscripten(url: string, request: StartRequest): Promise<Guest> {
  const names = (await import(/* @vite-ignore */ /* webpackIgnore: true */ url)) as { default?: unknown };
  if (typeof names.default !== "function") throw new OptionError(`the default export of ${url} must be Emscripten's factory: link with -sMODULARIZE -sEXPORT_ES6`);
  const module: Record<string, unknown> = { noInitialRun: true };
  if (request.module instanceof WebAssembly.Module) {
    const compiled = request.module;
    const run = async (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void): Promise<void> => {
      done(await WebAssembly.instantiate(compiled, imports), compiled);
    };
    module["instantiateWasm"] = (...args: Parameters<typeof run>) => {
      void run(...args);
      return {};
    };
  } else if (request.module !== undefined) module["wasmBinary"] = request.module;
  return attach(Runtime.current, names.default as EmscriptenFactory, { ...optionsOf(request), module });
}

function optionsOf({ name, stackBytes, maxStacks }: StartRequest): { name: string; stackBytes: number; maxStacks: number } {
  return { name, stackBytes, maxStacks };
}

async function instantiate(request: StartRequest): Promise<Instance> {
  const { module, script, imports, tickets, blockingDepth, transport } = request;
  let guest: Guest;
  try {
    if (script !== undefined) guest = await emscripten(script, request);
    else guest = await attach(Runtime.current, module as WebAssembly.Module, { ...optionsOf(request), ...(imports === undefined ? {} : { imports: await imported(imports) }) });
  } catch (cause) {
    throw new TokiwaError("TOKIWA_GUEST_START", `guest ${JSON.stringify(request.name)} could not be started on this thread: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const binding = bindingOfGuest(guest);
  binding.threadSetup = {
    source: { module, script, imports },
    tickets: typeof tickets === "number" ? rootTickets(tickets) : remoteTickets(tickets),
    blockingDepth,
    worker: undefined,
    transport,
  };
  return new Instance(binding);
}

/** The instance of that key, made at its first use. A failure stays: every job of the key gets it. */
function instanceOf(request: StartRequest): Instance | Promise<Instance> {
  let instance = instances.get(request.key);
  if (instance === undefined) {
    const starting = instantiate(request);
    starting.then(
      (made) => instances.set(request.key, made),
      () => {},
    );
    instances.set(request.key, starting);
    instance = starting;
  }
  return instance;
}

/** `START_GUEST`: the first thing a guest's thread does. */
export async function startGuest(request: StartRequest): Promise<void> {
  await instanceOf(request);
}

/** `RUN_JOB` */
export function* runJob(...[key, kind, fn, bytes = NOTHING, start]: JobRequest): Generator<Suspend, JobOutcome, unknown> {
  const found = start === undefined ? instances.get(key) : instanceOf(start);
  if (found === undefined) throw new TokiwaError("TOKIWA_GUEST_GONE", "the thread has died, and its instance of the guest with it: start another");
  const instance = found instanceof Instance ? found : yield* fromPromise(found);
  return kind === "call" ? instance.call(fn, bytes) : yield* instance.poll(fn, bytes);
}
