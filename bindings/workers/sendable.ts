// Functions that may run on another thread, and values that go there.
//
// A function is sent as its source text and captures nothing; or by module and export; or by a name
// that the worker's own entry has exposed. Each distinct function gets a number, and its definition goes
// to a worker once.

import { OptionError, TokiwaError } from "../errors.ts";
import { isFuture, type TaskFn } from "../future.ts";
import { checkFunction, show } from "../options.ts";
import { shared } from "../registry.ts";
import type { Definition } from "./wire.ts";

declare const sendableBrand: unique symbol;

/** A function that may run on another thread, see `send()`. */
export interface Sendable<A extends unknown[], T> {
  readonly [sendableBrand]: (...args: A) => T;
}

/** The arguments and result of a task function. */
export type SendableOf<F> = F extends (...args: infer A extends unknown[]) => infer R
  ? Sendable<A, R extends Generator<unknown, infer T, unknown> ? T : Awaited<R>>
  : never;

/** Ids of definitions: a worker keeps them, whichever copy of this package made them. */
const definitions: { last: number } = /* @__PURE__ */ shared("definitions", () => ({ last: 0 }));

export class SendableFunction {
  readonly definition: Definition;
  /** The function itself, where it was sent by source from this thread. */
  readonly fn: TaskFn<unknown[], unknown> | undefined;
  /** What stands for all functions of this source: a function that is written inside of a loop is a new one each time. */
  readonly #source: SendableFunction;
  #micros = -1;
  #named: SendableFunction | undefined;

  constructor(definition: Definition, fn?: TaskFn<unknown[], unknown>, source?: SendableFunction) {
    this.definition = definition;
    this.fn = fn;
    this.#source = source ?? this;
  }

  /** Measured: microseconds one call holds a worker for; negative while unknown. */
  get micros(): number {
    return this.#source.#micros;
  }

  /** The same function for tasks that have a name, which comes behind the arguments. */
  get named(): SendableFunction {
    const source = this.#source;
    if (source === this) this.#named ??= new SendableFunction({ ...this.definition, id: ++definitions.last, takesTaskName: true });
    else this.#named ??= new SendableFunction(source.named.definition, this.fn, source.named);
    return this.#named;
  }

  /**
   * Takes a measurement in. Longer ones count quickly, or jobs would wait behind one another.
   *
   * @param canTakeBack what waits in vain can be taken back, so one slow run is no reason to deliver less
   */
  heldFor(micros: number, canTakeBack: boolean): void {
    const source = this.#source;
    const known = source.#micros;
    if (known < 0) source.#micros = micros;
    else source.#micros = known + (micros - known) * (micros < known ? 0.25 : canTakeBack ? 0.03 : 0.5);
  }
}

export function isSendable(value: unknown): value is SendableFunction & Sendable<never[], unknown> {
  return typeof value === "object" && value !== null && "heldFor" in value && "definition" in value;
}

const byFunction = new WeakMap<object, SendableFunction>();
const bySourceText = new Map<string, SendableFunction>();
const byName = new Map<string, SendableFunction>();

/** A class cannot be called, and a native or bound function has no source. */
function checkSource(fn: (...args: never[]) => unknown): string {
  const source = Function.prototype.toString.call(fn);
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source)) {
    throw new OptionError(`fn must have source text to be sent, got ${show(fn)}, which is native or bound: wrap it in a function of its own`);
  }
  if (source.startsWith("class")) throw new OptionError(`fn must be a function that can be called, got class ${fn.name}`);
  return source;
}

/** The sendable of a plain function, sent by source. Made once for each function, and its definition once for each source. */
export function bySource(fn: TaskFn<never[], unknown>): SendableFunction {
  let sendable = byFunction.get(fn);
  if (sendable === undefined) {
    const text = checkSource(fn);
    const key = `${fn.name} ${text}`;
    let source = bySourceText.get(key);
    if (source === undefined) bySourceText.set(key, (source = new SendableFunction({ id: ++definitions.last, kind: "source", source: text, name: fn.name })));
    byFunction.set(fn, (sendable = new SendableFunction(source.definition, fn as TaskFn<unknown[], unknown>, source)));
  }
  return sendable;
}

/** The sendable of a source that was compiled elsewhere. */
export function byDefinition(definition: Definition): SendableFunction {
  const key = definition.kind === "source" ? `source ${definition.source}` : definition.kind === "body" ? `body ${definition.isAsync} ${definition.parameters.join()} ${definition.source}` : definition.kind === "module" ? `module ${definition.name} ${definition.url}` : `exposed ${definition.name}`;
  let sendable = byName.get(key);
  if (sendable === undefined) {
    sendable = new SendableFunction({ ...definition, id: ++definitions.last, takesTaskName: false });
    byName.set(key, sendable);
  }
  return definition.takesTaskName === true ? sendable.named : sendable;
}

/**
 * Makes a function that may run on another thread.
 *
 * - `send(fn)`: by source text. It captures nothing (a variable of the place it was written in is a
 *   error that names it); it finds this package as `tokiwa` and gets everything else as arguments.
 * - `send(url, name)`: an export of a module; the URL must be absolute.
 * - `send(name)`: registered by `expose()` in the entry that the `worker` option starts.
 *
 * @throws {OptionError} for a native or bound function, a class, or a relative URL
 * @example const twice = send((n) => n * 2); await runtime.spawn(twice, 21); // 42
 */
export function send<A extends unknown[], T>(fn: TaskFn<A, T>): Sendable<A, T>;
export function send<M = Record<string, (...args: unknown[]) => unknown>, K extends keyof M & string = keyof M & string>(module: URL | string, name: K): SendableOf<M[K]>;
export function send<F = (...args: unknown[]) => unknown>(name: string): SendableOf<F>;
export function send(what: unknown, name?: string): unknown {
  if (isSendable(what)) return what;
  if (typeof what === "function" && name === undefined) return bySource(what as TaskFn<never[], unknown>);
  if (typeof what === "string" && name === undefined) {
    if (what === "") throw new OptionError('name must be one that expose() has registered, got ""');
    return byDefinition({ id: 0, kind: "exposed", name: what });
  }
  if (!(typeof what === "string" || what instanceof URL)) throw new OptionError(`send() takes a function, a URL and a name, or a name, got ${show(what)}`);
  if (typeof name !== "string" || name === "") throw new OptionError(`name must be the name of an export, got ${show(name)}`);
  const url = String(what);
  if (!/^[a-zA-Z][a-zA-Z0-9+.-]*:/.test(url)) throw new OptionError(`module must be an absolute URL, got ${show(url)}: use new URL(${show(url)}, import.meta.url)`);
  return byDefinition({ id: 0, kind: "module", url, name });
}

const exposed = /* @__PURE__ */ shared("exposed", () => new Map<string, TaskFn<unknown[], unknown>>());

/** Registers functions in a worker's entry, for `send(name)`. More calls add more. */
export function exposeFunctions(functions: Record<string, TaskFn<never[], unknown>>): void {
  if (typeof functions !== "object" || functions === null) throw new OptionError(`functions must be an object of functions, got ${show(functions)}`);
  for (const [name, fn] of Object.entries(functions)) exposed.set(name, checkFunction(name, fn) as TaskFn<unknown[], unknown>);
}

export function exposedFunction(name: string): TaskFn<unknown[], unknown> | undefined {
  return exposed.get(name);
}

// ---- values

const moves = /* @__PURE__ */ shared("moves", () => new WeakMap<object, Transferable[]>());

/**
 * Marks a value as moved: when it is passed to another thread its buffers are transferred, not copied, and the sender's
 * are detached when that call returns. Works for arguments and results.
 *
 * @param transfer what to transfer; default: every buffer and port found in the value
 * @example await thread.exec(send((bytes) => bytes.length), move(new Uint8Array(1 << 20)));
 */
export function move<V>(value: V, transfer?: Transferable[]): V {
  if (transfer !== undefined && !Array.isArray(transfer)) throw new OptionError(`transfer must be an array, got ${show(transfer)}`);
  if (typeof value !== "object" || value === null) return value;
  moves.set(value, transfer ?? [...transferables(value, new Set())]);
  return value;
}

function transferables(value: unknown, found: Set<Transferable>, depth = 0): Set<Transferable> {
  if (typeof value !== "object" || value === null || depth > 4) return found;
  if (value instanceof ArrayBuffer || (typeof MessagePort === "function" && value instanceof MessagePort)) found.add(value);
  else if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (isTransferableByTag(value)) found.add(value as Transferable);
  else if (value instanceof Map) for (const entry of value) for (const inner of entry) transferables(inner, found, depth + 1);
  else for (const inner of value instanceof Set ? value : Object.values(value)) transferables(inner, found, depth + 1);
  return found;
}

/** What has to be transferred with a value that came from another thread and goes on to the next. Not buffers: two results may have one. */
export function transferablesOf(value: unknown): Transferable[] | undefined {
  return typeof value === "object" && value !== null ? [...transferables(value, new Set())].filter((found) => !(found instanceof ArrayBuffer)) : undefined;
}

const TRANSFERABLE_TAGS = new Set(["ReadableStream", "WritableStream", "TransformStream", "ImageBitmap", "OffscreenCanvas", "VideoFrame", "AudioData"]);

function isTransferableByTag(value: object): boolean {
  return TRANSFERABLE_TAGS.has(Object.prototype.toString.call(value).slice(8, -1));
}

/** What a value was marked with by `move()`; the mark is used up. */
export function takeMoves(value: unknown): Transferable[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const transfer = moves.get(value);
  if (transfer !== undefined) moves.delete(value);
  return transfer;
}

// ---- shared primitives: a class each, which packs itself into a clone and is rebuilt from it

/** The key that marks a packed shared primitive. */
const TAG = "tokiwa:shared";
export const PACK: unique symbol = Symbol.for("tokiwa.pack");

/** Something that travels as an argument and arrives as itself. */
export interface Packable {
  /** A clone-able record, without the tag. @returns also what to do when whoever it was for has ended: perhaps it never arrived */
  [PACK](): { type: string; state: unknown; transfer?: Transferable[]; over?: () => void };
}

const unpackers = new Map<string, (state: never) => unknown>();
/** Nothing has to be searched for packables while there are none. */
const packables = /* @__PURE__ */ shared("packables", () => ({ exist: false }));

export function registerPackable<S>(type: string, unpack: (state: S) => unknown): void {
  unpackers.set(type, unpack as (state: never) => unknown);
}

/** Called by the constructors of shared primitives. */
export function packablesExist(): void {
  packables.exist = true;
}

function isPackable(value: object): value is Packable {
  return PACK in value;
}

function isPlain(value: object): boolean {
  const p: unknown = Object.getPrototypeOf(value);
  return p === Object.prototype || p === null;
}

/** Marks a view of shared memory in a packed state: it travels as that memory, for Deno looks at each element of a view in a message, 0.3 s for the 4 MB of a channel. */
const VIEW = "tokiwa:view";

function withoutViews(state: unknown): unknown {
  if (typeof state !== "object" || state === null) return state;
  if (ArrayBuffer.isView(state)) return { [VIEW]: state.constructor.name, buffer: state.buffer };
  if (Array.isArray(state)) return state.map(withoutViews);
  return isPlain(state) ? Object.fromEntries(Object.entries(state).map(([key, value]) => [key, withoutViews(value)])) : state;
}

function withViews(state: unknown): unknown {
  if (typeof state !== "object" || state === null) return state;
  if (Array.isArray(state)) return state.map(withViews);
  if (!isPlain(state)) return state;
  const { [VIEW]: kind, buffer } = state as Record<string, unknown>;
  if (kind !== undefined) {
    const View: new (buffer: SharedArrayBuffer) => ArrayBufferView = kind === "Int32Array" ? Int32Array : kind === "Float64Array" ? Float64Array : Uint8Array;
    return new View(buffer as SharedArrayBuffer);
  }
  return Object.fromEntries(Object.entries(state).map(([key, value]) => [key, withViews(value)]));
}

/** What packed values ask to be told, see Packable. */
let overs: (() => void)[] | undefined;

function pack(value: unknown, transfer: Transferable[], depth: number): unknown {
  if (typeof value !== "object" || value === null || depth > 6) return value;
  if (isPackable(value)) {
    const { type, state, transfer: own, over } = value[PACK]();
    if (own !== undefined) transfer.push(...own);
    if (over !== undefined) (overs ??= []).push(over);
    return { [TAG]: type, state: withoutViews(state) };
  }
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      const inner: unknown = value[i];
      const packed = pack(inner, transfer, depth + 1);
      if (packed !== inner) (copy ??= value.slice())[i] = packed;
    }
    return copy ?? value;
  }
  if (!isPlain(value)) return value;
  let copy: Record<string, unknown> | undefined;
  for (const [key, inner] of Object.entries(value)) {
    const packed = pack(inner, transfer, depth + 1);
    if (packed !== inner) Object.defineProperty((copy ??= { ...(value as Record<string, unknown>) }), key, { value: packed, enumerable: true, writable: true, configurable: true });
  }
  return copy ?? value;
}

/** A value with its shared primitives packed; the same value when it has none. */
export function packShared(value: unknown, transfer: Transferable[]): unknown {
  return packables.exist ? pack(value, transfer, 0) : value;
}

/** The type of a packed sendable. */
const SENDABLE = "sendable";

export function unpackShared(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || depth > 6) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = unpackShared(value[i], depth + 1);
    return value;
  }
  if (!isPlain(value)) return value;
  const record = value as Record<string, unknown>;
  const type = record[TAG];
  if (type === SENDABLE) return byDefinition(record["state"] as Definition);
  if (typeof type === "string") {
    const unpack = unpackers.get(type);
    if (unpack === undefined) return value;
    packables.exist = true;
    return unpack(withViews(record["state"]) as never);
  }
  for (const key of Object.keys(record)) {
    const inner = record[key];
    const unpacked = unpackShared(inner, depth + 1);
    if (unpacked !== inner) Object.defineProperty(record, key, { value: unpacked, enumerable: true, writable: true, configurable: true });
  }
  return value;
}

/** Shared primitives arrive when it is called, and not at all when it never is. */
export function unpacking(fn: TaskFn<unknown[], unknown>): TaskFn<unknown[], unknown> {
  return (...args) => fn(...(unpackShared(args) as unknown[]));
}

/** Arguments as they were at this call: primitives as they are, everything else cloned, moved parts detached from the caller. */
export interface TakenArgs {
  readonly args: unknown[];
  /** What to transfer again when they are posted: the clone is nobody else's. */
  readonly transfer: Transferable[] | undefined;
  readonly hasShared: boolean;
  /** What to call when the job they are for has ended, whether it has begun or not. */
  readonly overs?: (() => void)[] | undefined;
}

/** Calls what the arguments ask for once the task has ended. */
export function tellWhenOver(task: { whenDone(waker: { wake(): void }): void }, { overs: given }: TakenArgs): void {
  if (given !== undefined) task.whenDone({ wake: () => given.forEach((over) => over()) });
}

/** How many there are, as the wire says it: negative when shared primitives are among them. */
export function arityOf({ args, hasShared }: TakenArgs): number {
  return hasShared ? -args.length - 1 : args.length;
}

/** What belongs to its thread would arrive as an empty object. @throws {TokiwaError} `TOKIWA_NOT_CLONEABLE` */
function checkNotBound(arg: unknown): void {
  if (typeof arg !== "object" || arg === null) return;
  if (arg instanceof AbortSignal) throw notCloneable("an AbortSignal", new Error("give it to taskBuilder({ signal }); the job has a signal of its own, currentTask().signal"));
  if (isFuture(arg) || (Symbol.dispose in arg && !isPackable(arg))) throw notCloneable(`an argument (${nameOf(arg)})`, new Error("it belongs to the thread that made it; shared primitives go to others"));
}

function nameOf(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === "function" ? constructor.name : "an object";
}

const NONE: TakenArgs = { args: [], transfer: undefined, hasShared: false };

export function takeArgs(args: unknown[]): TakenArgs {
  if (args.length === 0) return NONE;
  let isSimple = true;
  for (const arg of args) {
    const type = typeof arg;
    if (type === "function" || type === "symbol") throw notCloneable(show(arg));
    if (type === "object" && arg !== null) isSimple = false;
  }
  if (isSimple) return { args, transfer: undefined, hasShared: false };
  const moved: Transferable[] = [];
  let hasShared = args.some(isSendable);
  overs = undefined;
  let copy: unknown[];
  let again: Set<Transferable>;
  try {
    const packed = args.map((arg) => {
      if (isSendable(arg)) return { [TAG]: SENDABLE, state: arg.definition };
      const own = takeMoves(arg);
      if (own !== undefined) moved.push(...own);
      const result = packShared(arg, moved);
      if (result !== arg) hasShared = true;
      else if (own === undefined) checkNotBound(arg);
      return result;
    });
    const transfer = [...new Set(moved)];
    // What was moved is cloned beside the arguments too: so it is known again, wherever it is in them.
    const clone = structuredClone([packed, transfer] as const, { transfer });
    copy = clone[0];
    again = new Set(clone[1]);
  } catch (cause) {
    (overs as (() => void)[] | undefined)?.forEach((over) => over());
    throw cause instanceof TokiwaError ? cause : notCloneable("an argument", cause);
  }
  if (moved.length > 0) transferables(copy, again);
  else for (const arg of copy) if (arg instanceof ArrayBuffer || ArrayBuffer.isView(arg)) transferables(arg, again);
  return { args: copy, transfer: again.size > 0 ? [...again] : undefined, hasShared, overs };
}

export function notCloneable(what: string, cause?: unknown): TokiwaError {
  return new TokiwaError("TOKIWA_NOT_CLONEABLE", `${what} cannot be sent to another thread${cause instanceof Error ? `: ${cause.message.replace(/\.+$/, "")}` : ""}. Send plain data; what send() makes is a function that may be an argument by itself, not inside of another one.`, { cause });
}
