// attach(): finds out what kind of guest it was given, instantiates it if need be, and links it to a runtime.

import { ContextError, OptionError } from "../errors.ts";
import { checkBoolean, checkInteger, checkOptions, show } from "../options.ts";
import { Runtime } from "../runtime.ts";
import type { JoinHandle } from "../task/task.ts";
import { accessOfEmscripten, accessOfInstance } from "./access.ts";
import type { AsyncifySupport } from "./asyncify.ts";
import { Binding, bindings, type GuestImports } from "./binding.ts";
import type { GuestIo, GuestStream } from "./io.ts";
import { installedGuestThreads, type KnownSource } from "./seam.ts";
import type { GuestWaker } from "./waker.ts";
import { STACK_BYTES, STACK_BYTES_MAX, STACK_BYTES_MIN, STACKS_MAX } from "./stacks.ts";

/** A module that Emscripten's factory has made, or the object it will be made of. */
export interface EmscriptenModule {
  [name: string]: unknown;
}

/** What Emscripten's `-sMODULARIZE` exports. */
export type EmscriptenFactory = (module?: EmscriptenModule) => Promise<EmscriptenModule>;

export interface AttachOptions {
  /** Shown in messages. Default `"guest"`. */
  name?: string;
  /** For an instance: what `guestImports()` gave and the instance imports. Not needed while there is only one. */
  guestImports?: GuestImports;
  /** For bytes and modules: imports beside `tokiwa`. */
  imports?: WebAssembly.Imports;
  /** For a factory: its argument, to which `tokiwa` is added. */
  module?: EmscriptenModule;
  /** Bytes of a C stack for blocking code, 1024 to 67 108 864; default 65 536. */
  stackBytes?: number;
  /** Stacks in use at once, 1 to 8192; default 8192. */
  maxStacks?: number;
  /** Lets the guest open connections (`tk_io_*`): `guestIo()`. */
  io?: GuestIo;
  /** Blocking code without JSPI, for modules that Asyncify has been over: `asyncify`. For an instance give it to `guestImports()`. */
  asyncify?: AsyncifySupport;
  /** For guests that use `tokiwa-threads.h`, or `thread` of the Rust crate. */
  threads?: GuestThreadOptions;
  /** Report it as a failure when the host's event loop runs dry while tasks live: for test programs. Default false. */
  failOnDrain?: boolean;
}

/** Threads of a guest: each is a worker with an instance of the module of its own. */
export interface GuestThreadOptions {
  /** Threads at once, those that threads start included: 1 to 1024; default 64. */
  maxThreads?: number;
  /** Emscripten: absolute URL of its ES module. Default: where that says it was loaded from. */
  script?: string | URL;
  /** The module or its bytes, where `attach()` was given an instance. */
  module?: WebAssembly.Module | BufferSource;
  /** For plain modules with imports of their own: absolute URL of a module whose default export is an object of imports, or a function that returns one. */
  imports?: string | URL;
  /** Starts a worker whose entry calls `serveGuests()`: for bundlers. */
  worker?: () => Worker;
  /** Default `"auto"`: shared memory where it can be posted, else messages. */
  transport?: "auto" | "shared" | "messages";
}

/** A guest module on a runtime. */
export interface Guest extends Disposable {
  readonly name: string;
  /** The instance's exports, or Emscripten's module. */
  readonly exports: Record<string, unknown>;
  /** Whether blocking code can suspend here (JSPI). */
  readonly canBlock: boolean;
  /**
   * Starts a poll task: the core calls `fn(arg, task)` until it returns something else than 0 (pending) or 2 (again, behind
   * the others). The handle gives what it returned; a negative number or a trap rejects it.
   *
   * @param fn a function pointer of the guest
   * @throws {OptionError} when `fn` is none
   * @throws {ContextError} `TOKIWA_DETACHED`
   */
  spawn(fn: number, arg?: number, options?: { name?: string }): JoinHandle<number>;
  /**
   * Runs blocking code as a stackful task: a function pointer, or an exported function of at most two `i32` that returns one.
   *
   * @throws {ContextError} `TOKIWA_NO_JSPI` where Wasm cannot suspend
   * @throws {TokiwaError} `TOKIWA_TOO_MANY_STACKS`
   */
  run(fn: number | string, ...args: number[]): JoinHandle<number>;
  /** The handle of a task that the guest started. Dropping it leaves the task alone, aborting it aborts the task. */
  task(id: number): JoinHandle<number>;
  /** Wakes a task of the guest. False when it is queued already, or has ended. */
  wake(id: number): boolean;
  /**
   * A waker of a task for other threads, to be passed as an argument: of guests built with `-pthread` and `tokiwa-loops.h`.
   *
   * @throws {TokiwaError} `TOKIWA_NO_SHARED_MEMORY` for others
   */
  waker(id: number): GuestWaker;
  /** Names a promise for `tk_await_poll()`. */
  expose(promise: PromiseLike<unknown>): number;
  /**
   * Names a stream, so that the guest can read and write it with `tk_io_*`.
   *
   * @param stream has `read(into)`, `write(bytes)` or both, as the streams of `tokiwa/net` have
   * @throws {OptionError} also when `io` was not given to `attach()`
   */
  stream(stream: GuestStream): number;
  /** Ends all of its tasks, each with its last poll, and forgets the guest. Its calls fail with TK_ECLOSED from then on. */
  detach(): void;
}

class AttachedGuest implements Guest {
  readonly exports: Record<string, unknown>;
  readonly #binding: Binding;
  readonly #entries = new Map<string, number>();

  constructor(binding: Binding, exports: Record<string, unknown>) {
    this.#binding = binding;
    this.exports = exports;
    owners.set(this, binding);
  }

  get name(): string {
    return this.#binding.name;
  }

  get canBlock(): boolean {
    return this.#binding.stacks.canBlock;
  }

  spawn(fn: number, arg = 0, options?: { name?: string }): JoinHandle<number> {
    checkInteger("fn", fn, 1, 0xffffffff);
    checkInteger("arg", arg, -0x80000000, 0xffffffff);
    const { name } = checkOptions<{ name?: string }>("options", options);
    if (name !== undefined && typeof name !== "string") throw new OptionError(`name must be a string, got ${show(name)}`);
    return this.#binding.spawn(fn, arg, name);
  }

  run(fn: number | string, ...args: number[]): JoinHandle<number> {
    if (args.length > 2) throw new OptionError(`run() takes at most 2 arguments for the function, got ${args.length}`);
    for (const arg of args) checkInteger("arg", arg, -0x80000000, 0xffffffff);
    if (typeof fn === "string") this.#exported(fn);
    const { stacks } = this.#binding;
    stacks.check();
    if (typeof fn !== "string") return stacks.run(checkInteger("fn", fn, 1, 0xffffffff), args, undefined);
    return stacks.run(stacks.entersByCall ? this.#exported(fn) : this.#entry(fn), args, fn);
  }

  #exported(name: string): (...args: number[]) => number {
    const { access } = this.#binding;
    const found = access.exported(name) ?? access.exported(`_${name}`);
    if (typeof found !== "function") {
      throw new OptionError(`fn must name a function that the guest exports, got ${show(name)} (Emscripten shortens export names from -O3 on: link with -O2, or start blocking code with tk_spawn_stack())`);
    }
    return found as (...args: number[]) => number;
  }

  /** An exported function as a place in the guest's table. */
  #entry(name: string): number {
    let place = this.#entries.get(name);
    if (place !== undefined) return place;
    const found = this.#exported(name);
    const { access } = this.#binding;
    place = access.table.grow(1);
    try {
      access.table.set(place, found);
    } catch (cause) {
      throw new OptionError(`fn must name an exported function of Wasm, but ${show(name)} is wrapped in JavaScript (a module linked with -sASYNCIFY: attach it with { asyncify })`, { cause });
    }
    this.#binding.tableGrew(place);
    this.#entries.set(name, place);
    return place;
  }

  task(id: number): JoinHandle<number> {
    return this.#binding.find(checkInteger("id", id, 0, 0x7fffffff));
  }

  wake(id: number): boolean {
    return this.#binding.wake(id);
  }

  waker(id: number): GuestWaker {
    return this.#binding.waker(checkInteger("id", id, 0, 0x7fffffff));
  }

  expose(promise: PromiseLike<unknown>): number {
    return this.#binding.expose(promise);
  }

  stream(stream: GuestStream): number {
    return this.#binding.stream(stream);
  }

  detach(): void {
    this.#binding.close();
  }

  [Symbol.dispose](): void {
    this.detach();
  }
}

const owners = new WeakMap<Guest, Binding>();

/** @internal What stands behind a guest. */
export function bindingOfGuest(guest: Guest): Binding {
  return owners.get(guest) as Binding;
}

/** The bindings that no guest has been linked to yet. */
const waiting = new WeakMap<Runtime, Binding[]>();

function checkRuntime(runtime: unknown): Runtime {
  if (!(runtime instanceof Runtime)) {
    throw new OptionError(`runtime must be a Runtime of this copy of the package, got ${show(runtime)}`);
  }
  if (runtime.engine.isShuttingDown || runtime.scheduler.isClosed) throw new ContextError("TOKIWA_NO_RUNTIME", "the runtime has shut down: attach the guest to one that runs");
  return runtime;
}

/**
 * What a guest imports, for those who instantiate it themselves: `{ tokiwa: guestImports(runtime) }` as imports of a plain
 * module, or as argument of an Emscripten factory. Then `attach(runtime, instance)`.
 *
 * Each object serves one guest.
 *
 * @param options `io`: as for `attach()`, for a guest that opens connections before it is attached
 */
export function guestImports(runtime: Runtime, options?: Pick<AttachOptions, "io" | "asyncify">): GuestImports {
  const { io, asyncify } = checkOptions<AttachOptions>("options", options);
  if (asyncify !== undefined) checkSupport("asyncify", asyncify);
  const binding = new Binding(checkRuntime(runtime), asyncify);
  if (io !== undefined) binding.io = checkSupport("io", io);
  const list = waiting.get(runtime) ?? [];
  list.push(binding);
  waiting.set(runtime, list);
  return binding.imports;
}

function takeWaiting(runtime: Runtime): Binding | undefined {
  const list = (waiting.get(runtime) ?? []).filter((binding) => !binding.isLinked);
  waiting.set(runtime, list);
  if (list.length > 1) throw new OptionError(`guestImports must say which of ${list.length} this instance imports: give attach() the object that guestImports() returned`);
  return list.pop();
}

function bindingOf(value: unknown, runtime: Runtime, what: string): Binding {
  const binding = typeof value === "object" && value !== null ? bindings.get(value) : undefined;
  if (binding === undefined) throw new OptionError(`${what} must be an object that guestImports() returned, got ${show(value)}`);
  if (binding.runtime !== runtime) throw new OptionError(`${what} belong to another runtime`);
  if (binding.isLinked) throw new OptionError(`${what} serve another guest already: each guest needs its own`);
  return binding;
}

/** The `tokiwa` object as a plain module's imports: functions only. */
function functionsOf(imports: GuestImports): WebAssembly.ModuleImports {
  return Object.fromEntries(Object.entries(imports).filter(([name]) => name.startsWith("tk_"))) as WebAssembly.ModuleImports;
}

function checkSupport<S extends GuestIo | AsyncifySupport>(name: "io" | "asyncify", support: S): S {
  if (typeof (support as Partial<S> | null)?.open !== "function") {
    throw new OptionError(`${name} must be ${name === "io" ? "what guestIo() returned" : "asyncify of tokiwa/guest"}, got ${show(support)}`);
  }
  return support;
}

interface Checked {
  readonly runtime: Runtime;
  readonly options: Partial<AttachOptions>;
}

function configure(binding: Binding, { options }: Checked): Binding {
  binding.name = options.name ?? "guest";
  binding.stackBytes = options.stackBytes ?? STACK_BYTES;
  binding.maxStacks = options.maxStacks ?? STACKS_MAX;
  binding.failOnDrain = options.failOnDrain ?? false;
  if (options.io !== undefined) binding.io = options.io;
  return binding;
}

function prepareThreads(binding: Binding, { options: { threads = {} } }: Checked, known: KnownSource): void {
  binding.threadSetup = installedGuestThreads()?.setup(threads, known);
}

function checkThreads(threads: GuestThreadOptions): void {
  const provider = installedGuestThreads();
  if (provider === undefined) throw new OptionError("threads need provideGuestThreads() of tokiwa/guest, to be called first in programs made by a bundler");
  provider.check(threads);
}

function attachInstance(instance: WebAssembly.Instance, checked: Checked, given: Binding | undefined): Guest {
  const { runtime, options } = checked;
  const exports = instance.exports as Record<string, unknown>;
  const access = accessOfInstance(JSON.stringify(options.name ?? "guest"), exports);
  const binding = given ?? (options.guestImports !== undefined ? bindingOf(options.guestImports, runtime, "guestImports") : (takeWaiting(runtime) ?? new Binding(runtime)));
  configure(binding, checked).link(access);
  if (given === undefined) prepareThreads(binding, checked, {});
  const initialize = exports["_initialize"];
  if (given !== undefined && typeof initialize === "function") initialize();
  return new AttachedGuest(binding, exports);
}

function attachEmscripten(module: EmscriptenModule, checked: Checked): Guest {
  const imports = module["tokiwa"];
  const known = typeof imports === "object" && imports !== null ? bindings.get(imports) : undefined;
  const isOwn = known?.runtime === checked.runtime && known.isLinked && !attached.has(known);   // main() ran, and linked it
  const binding = isOwn ? known : configure(bindingOf(imports, checked.runtime, "the module's tokiwa"), checked);
  if (binding.emscripten === undefined) {
    throw new OptionError("the module was not linked with tokiwa-lib.js: emcc ... $(npx tokiwa emscripten --cflags --ldflags)");
  }
  attached.add(binding);
  if (!binding.isLinked) binding.link(accessOfEmscripten(binding.emscripten, binding.emscriptenThreads));
  prepareThreads(binding, checked, { module: binding.emscriptenThreads?.binary, script: binding.emscriptenThreads?.script });
  return new AttachedGuest(binding, module);
}

/** Emscripten modules that attach() was called with. */
const attached = new WeakSet<Binding>();

async function attachFactory(factory: EmscriptenFactory, checked: Checked): Promise<Guest> {
  const binding = configure(new Binding(checked.runtime, checked.options.asyncify), checked);
  const module = await factory({ ...checked.options.module, tokiwa: binding.imports });
  if (typeof module !== "object" || module === null) throw new OptionError(`source must be the factory of an Emscripten module (-sMODULARIZE), got one that returned ${show(module)}`);
  module["tokiwa"] = binding.imports;
  return attachEmscripten(module, checked);
}

async function attachModule(source: BufferSource | WebAssembly.Module, checked: Checked): Promise<Guest> {
  const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
  const binding = new Binding(checked.runtime, checked.options.asyncify);
  prepareThreads(binding, checked, { module });
  const instance = await WebAssembly.instantiate(module, { ...checked.options.imports, tokiwa: functionsOf(binding.imports) });
  return attachInstance(instance, checked, binding);
}

/**
 * Puts a guest on a runtime: a Wasm module written in C, C++, Rust or AssemblyScript whose tasks the core polls
 * itself, without JavaScript in between.
 *
 * @param source an instance or an Emscripten module made with `guestImports()`; or bytes, a `WebAssembly.Module` or an
 * Emscripten factory, which are instantiated here
 * @throws {OptionError} for anything else, and for a guest without an exported table
 * @throws {ContextError} `TOKIWA_NO_RUNTIME` after shutdown
 * @example
 * const guest = await attach(runtime, await readFile("guest.wasm"));
 * const answer = await guest.spawn(guest.exports.answer_task());
 */
export function attach(runtime: Runtime, source: WebAssembly.Instance | EmscriptenModule, options?: AttachOptions): Guest;
export function attach(runtime: Runtime, source: BufferSource | WebAssembly.Module | EmscriptenFactory, options?: AttachOptions): Promise<Guest>;
export function attach(runtime: Runtime, source: unknown, options?: AttachOptions): Guest | Promise<Guest> {
  const given = checkOptions<AttachOptions>("options", options);
  if (given.name !== undefined && typeof given.name !== "string") throw new OptionError(`name must be a string, got ${show(given.name)}`);
  if (given.stackBytes !== undefined) checkInteger("stackBytes", given.stackBytes, STACK_BYTES_MIN, STACK_BYTES_MAX);
  if (given.maxStacks !== undefined) checkInteger("maxStacks", given.maxStacks, 1, STACKS_MAX);
  if (given.threads !== undefined) checkThreads(given.threads);
  if (given.failOnDrain !== undefined) checkBoolean("failOnDrain", given.failOnDrain);
  if (given.io !== undefined) checkSupport("io", given.io);
  if (given.asyncify !== undefined) checkSupport("asyncify", given.asyncify);
  const checked: Checked = { runtime: checkRuntime(runtime), options: given };
  if (source instanceof WebAssembly.Instance) return attachInstance(source, checked, undefined);
  if (source instanceof WebAssembly.Module || source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return attachModule(source as BufferSource, checked);
  if (typeof source === "function") return attachFactory(source as EmscriptenFactory, checked);
  if (typeof source === "object" && source !== null && !Array.isArray(source)) return attachEmscripten(source as EmscriptenModule, checked);
  throw new OptionError(`source must be a WebAssembly instance, module or bytes, or an Emscripten module or factory, got ${show(source)}`);
}
