// Waiting, in a worker, for the message that makes it one of ours.

import { inheritCore } from "../core.ts";
import { ContextError } from "../errors.ts";
import { builtinModule, startTimer } from "../host.ts";
import { Runtime, setDefaultRuntime } from "../runtime.ts";
import { importModule, scopeLoading, setModuleExports } from "./compile.ts";
import { joinFamily } from "./family.ts";
import { WorkerSide } from "./side.ts";
import { inheritOrigin } from "./origin.ts";
import type { StartMessage } from "./wire.ts";

interface ParentPort {
  on(event: "message", listener: (message: unknown) => void): void;
  off(event: "message", listener: (message: unknown) => void): void;
}

let isListening = false;

/** True in a thread that has a parent to listen to. */
function isWorker(): boolean {
  const node = builtinModule<{ isMainThread: boolean }>("node:worker_threads");
  if (node !== undefined) return !node.isMainThread;
  return typeof WorkerGlobalScope === "function" && globalThis instanceof WorkerGlobalScope;
}
declare const WorkerGlobalScope: (new () => object) | undefined;

/** Begins to serve when the parent says so: whoever made the worker may have told it something else before. Nothing happens in a thread that is no worker. */
export function listen(): void {
  if (isListening || !isWorker()) return;
  isListening = true;
  const node = builtinModule<{ parentPort: ParentPort | null }>("node:worker_threads");
  if (node !== undefined) {
    const { parentPort } = node;
    const onMessage = (message: unknown): void => {
      if (!isStart(message)) return;
      parentPort!.off("message", onMessage);
      accept(message);
    };
    parentPort?.on("message", onMessage);
    return;
  }
  const onMessage = (event: MessageEvent): void => {
    if (!isStart(event.data)) return;
    globalThis.removeEventListener("message", onMessage);
    accept(event.data);
  };
  globalThis.addEventListener("message", onMessage);
}

function isStart(data: unknown): data is StartMessage {
  return typeof data === "object" && data !== null && (data as StartMessage).tokiwa === "start" && (data as StartMessage).port instanceof MessagePort;
}

function accept(start: StartMessage): void {
  serve(start).catch(failed);
}

/** Tells the parent that this worker will not start: of a rejection a page's worker tells nobody. */
function failed(error: unknown): void {
  startTimer(() => {
    throw error;
  }, 0);
}

async function serve(start: StartMessage): Promise<void> {
  inheritOrigin(start.origin);
  inheritCore(start.core);
  // In a page now, for what comes later may hold the thread that it is fetched by.
  if (builtinModule("node:worker_threads") === undefined) await scopeLoading();
  const lock = start.lock !== undefined && (await holdLock(start.lock)) ? start.lock : undefined;
  joinFamily(start.family, start.member, lock);
  const runtime = new Runtime({ unhandledFailure: start.unhandledFailure });
  runtime.engine.shutdown = () => Promise.reject(staysOpen());
  runtime.engine.closeNow = () => {
    throw staysOpen();
  };
  setDefaultRuntime(runtime);
  const side = new WorkerSide(runtime.scheduler, start);
  runtime.useThreads(side);
  if (start.module !== undefined) setModuleExports(await loadModule(start.module));
  side.ready(lock !== undefined);
}

/** What serves the parent's jobs cannot be shut down by one of them. */
function staysOpen(): ContextError {
  return new ContextError("TOKIWA_WORKER_RUNTIME", "the runtime of a worker ends with the pool it belongs to: return from the job instead, or shut down a runtime of your own");
}

/** Holds a Web Lock as long as this worker lives. False where there are none: on a page without TLS, in a sandboxed frame. */
function holdLock(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const { locks } = navigator as Partial<Navigator>;
    if (locks === undefined) return resolve(false);
    locks.request(name, () => {
      resolve(true);
      return new Promise(() => {});
    }).catch(() => resolve(false));
  });
}

/** "\0asm" */
const WASM_MAGIC = 0x6d736100;

async function loadModule(bytes: ArrayBuffer): Promise<Record<string, unknown>> {
  if (bytes.byteLength >= 4 && new DataView(bytes).getUint32(0, true) === WASM_MAGIC) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return { ...instance.exports };
  }
  const node = builtinModule<{ Buffer: { from(bytes: ArrayBuffer): { toString(encoding: "base64"): string } } }>("node:buffer");
  const url = node === undefined
    ? URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }))
    : `data:text/javascript;base64,${node.Buffer.from(bytes).toString("base64")}`;       // Bun takes a data URL of plain text for a file's name
  return importModule(url);
}
