// What this host can do, so that a test can say why it is skipped: `test.skipIf(!hasJspi)("...", ...)`.

type HostName = "node" | "bun" | "deno" | "page" | "worker";

const globals = globalThis as Record<string, unknown>;

export const host: HostName =
  "Bun" in globals ? "bun" : "Deno" in globals ? "deno" : "process" in globals ? "node" : "document" in globals ? "page" : "worker";

/** Node's major version; 0 elsewhere. */
export const nodeMajor: number = host === "node" ? Number(process.versions.node.split(".")[0]) : 0;

/** Whether Wasm can suspend (Node 26, Chromium 137). */
export const hasJspi: boolean = "Suspending" in WebAssembly && "promising" in WebAssembly;

/** Collects garbage now; the vitest projects run with --expose-gc. */
export function collectGarbage(): void {
  const gc = globals["gc"];
  if (typeof gc !== "function") throw new Error("gc() is not exposed: run with --expose-gc");
  gc();
}

/** The seed of a random test: `TOKIWA_SEED`, or a new one. Print it with every failure. */
export const seed: number = globals["process"] && process.env["TOKIWA_SEED"] ? Number(process.env["TOKIWA_SEED"]) : Date.now() & 0x7fffffff;
