// The `threads` of attach(): checked, and made into what threads start from. Only where guests can have threads (provide.ts).

import { OptionError } from "../errors.ts";
import { checkFunction, checkInteger, checkOneOf, checkOptions, show } from "../options.ts";
import type { GuestThreadOptions } from "./attach.ts";
import type { KnownSource, ThreadSetup } from "./seam.ts";
import { rootTickets } from "./tickets.ts";

const THREADS_MAX = 64;
const ABSOLUTE = /^[a-zA-Z][a-zA-Z0-9+.-]*:/;

export function checkThreadOptions(value: GuestThreadOptions): void {
  const { maxThreads, script, module, imports, worker, transport } = checkOptions<GuestThreadOptions>("threads", value);
  if (maxThreads !== undefined) checkInteger("threads.maxThreads", maxThreads, 1, 1024);
  for (const [name, url] of [["script", script], ["imports", imports]] as const) {
    if (url !== undefined && !(url instanceof URL) && !(typeof url === "string" && ABSOLUTE.test(url))) {
      throw new OptionError(`threads.${name} must be an absolute URL, got ${show(url)}: use new URL("./app.mjs", import.meta.url)`);
    }
  }
  if (module !== undefined && !(module instanceof WebAssembly.Module) && !(module instanceof ArrayBuffer) && !ArrayBuffer.isView(module)) {
    throw new OptionError(`threads.module must be a WebAssembly.Module or bytes, got ${show(module)}`);
  }
  if (worker !== undefined) checkFunction("threads.worker", worker);
  if (transport !== undefined) checkOneOf("threads.transport", transport, ["auto", "shared", "messages"]);
}

/** How threads get at the guest, as far as that is known. */
export function threadSetupOf(threads: GuestThreadOptions, known: KnownSource): ThreadSetup {
  return {
    source: {
      module: threads.module ?? known.module,
      script: threads.script === undefined ? known.script : String(threads.script),
      imports: threads.imports === undefined ? undefined : String(threads.imports),
    },
    tickets: rootTickets(threads.maxThreads ?? THREADS_MAX),
    blockingDepth: 0,
    worker: threads.worker,
    transport: threads.transport,
  };
}
