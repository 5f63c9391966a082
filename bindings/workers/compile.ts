// Finding the function that a definition means, in the worker.

import { OptionError, TokiwaError } from "../errors.ts";
import type { TaskFn } from "../future.ts";
import { exposedFunction } from "./sendable.ts";
import type { Definition } from "./wire.ts";

type Fn = TaskFn<unknown[], unknown>;

/** What functions sent by source find in scope as `tokiwa`. */
let scope: object = /* @__PURE__ */ new Proxy(
  {},
  {
    get(_target, name) {
      if (typeof name === "symbol") return undefined;
      throw new TokiwaError("TOKIWA_NOT_FOUND", `tokiwa.${name} is not in this worker: its entry is your own, which has what it imports. Import ${name} there, and expose() the function that needs it.`);
    },
  },
);
export function setScope(names: object): void {
  scope = names;
}

/** Where that means to read most of the package: how to do so, until it is done. */
let loadScope: (() => Promise<object>) | undefined;
let loading: Promise<void> | undefined;
export function setLazyScope(load: () => Promise<object>): void {
  loadScope = load;
}

/** Reads the rest of the package for functions that mention it and for shared primitives. Undefined when there is nothing to wait for. */
export function scopeLoading(): Promise<void> | undefined {
  if (loadScope === undefined) return undefined;
  return (loading ??= loadScope().then((names) => {
    setScope(names);
    loadScope = undefined;
  }));
}

function inScope(source: string, make: () => Fn): Fn | Promise<Fn> {
  return (source.includes("tokiwa") ? scopeLoading()?.then(make) : undefined) ?? make();
}

/** Exports of the module a thread was started with. */
let moduleExports: Record<string, unknown> | undefined;
export function setModuleExports(names: Record<string, unknown>): void {
  moduleExports = names;
}

const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

/** The function, or a promise of it. @throws {TokiwaError} `TOKIWA_EVAL_BLOCKED`, `TOKIWA_NOT_FOUND` */
export function compile(definition: Definition): Fn | Promise<Fn> {
  switch (definition.kind) {
    case "source":
      return inScope(definition.source, () => fromSource(definition.source, definition.name));
    case "body":
      return inScope(definition.source, () => fromBody(definition.source, definition.parameters, definition.isAsync));
    case "module":
      return fromModule(definition.url, definition.name);
    case "exposed":
      return fromName(definition.name);
  }
}

function evalBlocked(cause: Error): TokiwaError {
  return new TokiwaError(
    "TOKIWA_EVAL_BLOCKED",
    `a function sent by source text cannot be compiled in the worker: ${cause.message}. The Content-Security-Policy must allow 'unsafe-eval' there; send(url, name) and expose() need no such thing.`,
    { cause },
  );
}

function evaluate(make: FunctionConstructor, ...parts: string[]): unknown {
  try {
    return make(...parts);
  } catch (error) {
    throw error instanceof EvalError ? evalBlocked(error) : error;
  }
}

/** What esbuild with keepNames (tsx, wrangler) puts into every function with functions in it; its definition stays behind. */
const keepName = <F extends Fn>(fn: F, name: string): F => Object.defineProperty(fn, "name", { value: name, configurable: true });

function fromSource(source: string, name: string): Fn {
  const make = (text: string): unknown => evaluate(Function, "tokiwa", "__name", `"use strict"; return (${text}\n)`);
  const expression = (text: string): unknown => (make(text) as (...names: unknown[]) => unknown)(scope, keepName);
  try {
    return expression(source) as Fn;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const holder = expression(`{ ${source} }`) as Record<string, Fn>;      // a method: its source is no expression
    const method = holder[name] ?? Object.values(holder)[0];
    if (typeof method !== "function") throw error;
    return method;
  }
}

function fromBody(source: string, parameters: string[], isAsync: boolean): Fn {
  const fn = evaluate(isAsync ? AsyncFunction : Function, "tokiwa", ...parameters, source) as Fn;
  return (...args) => fn(scope, ...args);
}

/** An import that bundlers leave alone. Of its own, because a minifier that puts an expression for the URL drops the comments. */
export async function importModule(url: string): Promise<Record<string, unknown>> {
  return (await import(/* @vite-ignore */ /* webpackIgnore: true */ url)) as Record<string, unknown>;
}

async function fromModule(url: string, name: string): Promise<Fn> {
  const names = await importModule(url);
  return pick(names, name, `module ${url} does not export`);
}

function fromName(name: string): Fn {
  const fn = exposedFunction(name);
  if (fn !== undefined) return fn;
  return pick(moduleExports ?? {}, name, "the worker has not exposed");
}

function pick(names: Record<string, unknown>, name: string, what: string): Fn {
  const fn = Object.hasOwn(names, name) ? names[name] : undefined;
  if (typeof fn !== "function") throw new TokiwaError("TOKIWA_NOT_FOUND", `${what} a function ${JSON.stringify(name)}`);
  return fn as Fn;
}

/** False for a proxy that does not let itself be asked. */
function isReferenceError(error: unknown): error is ReferenceError {
  try {
    return error instanceof ReferenceError;
  } catch {
    return false;
  }
}

/** Says which variable a function sent by source did not find, and what to do. */
export function explainFreeVariable(definition: Definition, error: unknown): unknown {
  if (definition.kind !== "source" || !isReferenceError(error)) return error;
  const variable = /^(\S+) is not defined|^Can't find variable: (\S+)/.exec(error.message);
  const name = variable?.[1] ?? variable?.[2];
  if (name === undefined || !definition.source.includes(name)) return error;
  return new OptionError(
    `${name} is not defined in the worker: ${definition.name === "" ? "the function" : definition.name} was sent by source text, which captures nothing. Pass ${name} as an argument, reach this package as tokiwa, or put the function in a module and use send(url, name).`,
    { cause: error },
  );
}
