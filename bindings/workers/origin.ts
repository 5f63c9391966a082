// Inside a worker: how it was started itself, and so starts its own. Apart from start.ts, which carries the worker's text: what a worker
// reads at its start is to be small.

import type { WorkerOrigin } from "./wire.ts";

export let inherited: WorkerOrigin | undefined;
export function inheritOrigin(origin: WorkerOrigin): void {
  if (origin.kind !== "factory") inherited = origin;
}
