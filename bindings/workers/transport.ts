// Whether memory can be shared with workers here.

import { builtinModule } from "../host.ts";

let found: boolean | undefined;

/** True where a SharedArrayBuffer can be posted: servers, and pages with COOP and COEP headers. */
export function canShare(): boolean {
  found ??= typeof SharedArrayBuffer === "function" && (builtinModule("node:worker_threads") !== undefined || globalThis.crossOriginIsolated);
  return found;
}
