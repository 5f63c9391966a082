// Starting a worker, whatever the host: worker_threads in Node, Bun and Deno, Web Workers in pages.
//
// Ways to start one, in this order, and the first that worked is kept for the next:
//   factory  the `worker` option: the consumer's bundler knows where its entry is
//   url      tokiwa-worker.js beside this file: what a strict Content-Security-Policy allows
//   source   the worker as text (a Blob in pages): needs no file, so it works in bundles and behind missing headers
// A pool whose worker did not start tries the next way by itself; only when that works it is kept.
//
// What a first result takes is reading modules, 30 ms for all of the package: so the worker's file reads a third of it, and the rest
// when a function mentions `tokiwa` or a shared primitive comes (file-entry.ts), and what it reads is few files (scripts/build.mjs). Tried: one
// file for the worker alone, but then a function that imports the package would have a second copy of it; and what Node has to offer for
// a cheaper worker (SHARE_ENV, trackUnmanagedFds, execArgv: []), which gains nothing. To pipe a worker's output while its thread comes up, and
// not before, gains 2 ms of 80; but without a symbol of Node's own such a pipe keeps the process alive.
//
// A death is an `exit` in Node. Pages say nothing when a worker calls close(), so the worker holds a Web Lock
// while it lives, and the parent waits for that.

import { WORKER_TEXT } from "../generated/worker-source.ts";
import { compiledCore } from "../core.ts";
import { builtinModule } from "../host.ts";
import { TokiwaError } from "../errors.ts";
import { inherited } from "./origin.ts";
import type { StartMessage, WorkerOrigin } from "./wire.ts";

interface NodeWorker {
  on(event: string, listener: (value: unknown) => void): void;
  postMessage(message: unknown, transfer: readonly unknown[]): void;
  terminate(): Promise<number>;
  ref(): void;
  unref(): void;
}
interface WorkerThreads {
  Worker: new (script: string | URL, options: object) => NodeWorker;
}

/** Limits of a worker's heap and stack; Node, Bun and Deno. */
export interface ResourceLimits {
  maxOldGenerationSizeMb?: number;
  maxYoungGenerationSizeMb?: number;
  codeRangeSizeMb?: number;
  stackSizeMb?: number;
}

export interface StartOptions {
  readonly factory: (() => Worker) | undefined;
  readonly resourceLimits: ResourceLimits | undefined;
}

/** A started worker, alike on all hosts. */
export interface WorkerThread {
  readonly port: MessagePort;
  /** Lets the process end although the worker lives, or not. */
  setRef(on: boolean): void;
  terminate(): Promise<void>;
}

const workerThreads = /* @__PURE__ */ builtinModule<WorkerThreads>("node:worker_threads");

/** This file as the package ships it: in a consumer's bundle it is part of another one, and the worker's file is not beside it. */
const AS_SHIPPED = /\/(chunk-[A-Z0-9]{8}|threads|guest)\.js([?#]|$)/;
const folderOf = (url: string): string => url.slice(0, url.lastIndexOf("/"));

function urlBesideThis(): string | undefined {
  try {
    const url = new URL(/* webpackIgnore: true */ "./tokiwa-worker.js", import.meta.url);
    if (url.protocol === "file:") {
      const fs = builtinModule<{ existsSync(path: URL): boolean }>("node:fs");
      return fs?.existsSync(url) === true ? url.href : undefined;
    }
    // A bundler may have put its own for either: a file: URL, a name with a hash, the worker itself as a data: URL.
    if (workerThreads !== undefined || !AS_SHIPPED.test(import.meta.url) || folderOf(import.meta.url) !== folderOf(url.href)) return undefined;
    return url.href.endsWith("/tokiwa-worker.js") ? url.href : undefined;
  } catch {
    return undefined;                                      // a bundle of another format, without import.meta
  }
}

/** The worker's text, whose quotes scripts/build.mjs has swapped. */
const workerSource = (): string => WORKER_TEXT.replace(/["`]/g, (quote) => (quote === '"' ? "`" : '"'));

let chosen: WorkerOrigin | undefined;

function origin(): WorkerOrigin {
  if (chosen !== undefined) return chosen;
  const url = inherited === undefined ? urlBesideThis() : undefined;
  chosen = inherited ?? (url === undefined ? { kind: "source", source: workerSource() } : { kind: "url", url });
  return chosen;
}

/** After a worker did not start: another way to try, if there is one. */
export function nextOrigin(failed: WorkerOrigin): WorkerOrigin | undefined {
  return failed.kind === "url" && WORKER_TEXT !== "" ? { kind: "source", source: workerSource() } : undefined;
}

/** The file has been a worker here: what does not start from it has something else that is wrong. */
let isFileGood = false;

/** A worker has started so. All later ones are: had it been its module that was wrong before, this would not have helped. */
export function keepOrigin(worked: WorkerOrigin): void {
  if (worked.kind === "url") isFileGood = true;
  else if (worked.kind === "source" && !isFileGood) chosen = worked;
}

// Arguments of the process that a worker may inherit. Others (--input-type, --eval, --test) are about the main script.
const INHERITED = /^(--(require|import|loader|experimental-loader|conditions|enable-source-maps|no-warnings|experimental-[a-z-]+|stack-trace-limit)(=|$)|-[rC]$)/;
const NOT_FOR_WORKERS = /^(--(input-type|eval|print|check|test|watch|interactive)|-[epci])/;

function workerArguments(): string[] | undefined {
  const given = (globalThis as { process?: { execArgv?: string[] } }).process?.execArgv ?? [];
  if (!given.some((argument) => NOT_FOR_WORKERS.test(argument))) return undefined;
  const kept: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const argument = given[i] as string;
    if (!INHERITED.test(argument)) continue;
    kept.push(argument);
    const takesValue = /^(--(require|import|loader|experimental-loader|conditions)|-[rC])$/.test(argument);
    if (takesValue && i + 1 < given.length) kept.push(given[++i] as string);
  }
  return kept;
}

let blobUrl: string | undefined;

function sourceUrl(source: string): string {
  blobUrl ??= URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return blobUrl;
}

type Start = Omit<StartMessage, "port" | "origin" | "tokiwa" | "core">;

/**
 * Starts a worker and hands it its port.
 *
 * @param from the way to start it; undefined for the one that is known to work
 * @param onDeath called at most once, with the error if there was one
 * @throws what the host throws when it refuses to start workers
 */
export function startWorker(start: Start, options: StartOptions, from: WorkerOrigin | undefined, onDeath: (error: unknown) => void): { thread: WorkerThread; origin: WorkerOrigin } {
  from = options.factory === undefined ? (from ?? origin()) : { kind: "factory" };
  let isDead = false;
  const die = (error: unknown): void => {
    if (isDead) return;
    isDead = true;
    onDeath(error);
  };
  const { worker, origin: way } = options.factory === undefined ? create(from, start.name, options) : { worker: options.factory(), origin: from };
  if (typeof (worker as { postMessage?: unknown } | null)?.postMessage !== "function") throw new TokiwaError("TOKIWA_BAD_WORKER", "the worker option must return a Worker");
  const { port1, port2 } = new MessageChannel();
  const message: StartMessage = { ...start, tokiwa: "start", port: port2, origin: way, core: way.kind === "factory" ? undefined : compiledCore() };
  const thread = isNodeWorker(worker) ? watchNode(worker, port1, die) : watchWeb(worker as Worker, port1, way, die);
  worker.postMessage(message, [port2]);
  return { thread, origin: way };
}

function isNodeWorker(worker: unknown): worker is NodeWorker {
  return typeof (worker as NodeWorker).on === "function";
}

/** @returns also the way in which it was started after all: workers of its own are to be started so, too */
function create(from: WorkerOrigin, name: string, { resourceLimits }: StartOptions): { worker: NodeWorker | Worker; origin: WorkerOrigin } {
  if (workerThreads !== undefined) {
    const execArgv = workerArguments();
    const shared = { name, ...(resourceLimits === undefined ? {} : { resourceLimits }), ...(execArgv === undefined ? {} : { execArgv }) };
    const worker = from.kind === "source" ? new workerThreads.Worker(from.source, { ...shared, eval: true }) : new workerThreads.Worker(new URL((from as { url: string }).url), shared);
    return { worker, origin: from };
  }
  if (typeof Worker !== "function") throw new TokiwaError("TOKIWA_NO_WORKERS", "this host has no workers: threads cannot be started here");
  if (from.kind === "source") return { worker: new Worker(sourceUrl(from.source), { name }), origin: from };
  try {
    return { worker: new Worker(new URL((from as { url: string }).url), { type: "module", name }), origin: from };
  } catch (error) {
    const next = nextOrigin(from);
    if (next === undefined) throw error;
    chosen = next;                                         // another origin's script (a CDN) is refused at once
    return { worker: new Worker(sourceUrl(workerSource()), { name }), origin: next };
  }
}

function watchNode(worker: NodeWorker, port: MessagePort, die: (error: unknown) => void): WorkerThread {
  let exited: () => void;
  const exit = new Promise<void>((resolve) => (exited = resolve));
  let failure: unknown;
  worker.on("error", (error) => {
    failure = error;
    die(error);
  });
  worker.on("exit", (code) => {
    exited();
    die(failure ?? new Error(`the worker exited with code ${String(code)}`));
  });
  worker.on("messageerror", (error) => die(error));
  return {
    port,
    setRef: (on) => (on ? worker.ref() : worker.unref()),
    terminate: async () => {
      port.close();
      await worker.terminate();
      await exit;
    },
  };
}

/** What a page says when it refuses a worker is nothing at all. */
function notLoaded(from: WorkerOrigin): string {
  if (from.kind !== "source") return "the worker could not be loaded";
  return "the worker could not be loaded from its source text. A page whose Content-Security-Policy forbids that (worker-src without blob:) needs the worker option: a worker of your own, whose entry calls expose()";
}

function watchWeb(worker: Worker, port: MessagePort, from: WorkerOrigin, die: (error: unknown) => void): WorkerThread {
  worker.addEventListener("error", (event) => {
    event.preventDefault();                                // reported by the pool, once
    die(event.error ?? new Error(event.message || notLoaded(from)));
  });
  return {
    port,
    setRef: () => {},
    terminate: () => {
      port.close();
      worker.terminate();
      return Promise.resolve();
    },
  };
}
