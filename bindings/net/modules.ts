// The socket modules of Node, Bun and Deno, looked up at the first use.
//
// A page loads this entry point too: there everything but the WebSocket client, the helpers
// and the in-memory pipes throws TOKIWA_UNSUPPORTED when it is called, and nothing when it is imported.

import type dgram from "node:dgram";
import type dns from "node:dns";
import type net from "node:net";
import type tls from "node:tls";
import { TokiwaError } from "../errors.ts";
import { builtinModule } from "../host.ts";

interface Modules {
  "node:net": typeof net;
  "node:tls": typeof tls;
  "node:dgram": typeof dgram;
  "node:dns": typeof dns;
}

const found = new Map<string, unknown>();

/** @throws {TokiwaError} `TOKIWA_UNSUPPORTED` where the host has no such module */
export function need<N extends keyof Modules>(name: N, what: string): Modules[N] {
  let module = found.get(name) as Modules[N] | undefined;
  if (module === undefined) {
    module = builtinModule<Modules[N]>(name);
    if (module === undefined) throw unsupported(what, name);
    found.set(name, module);
  }
  return module;
}

export function unsupported(what: string, needs: string): TokiwaError {
  return new TokiwaError(
    "TOKIWA_UNSUPPORTED",
    `${what} is not possible on this host: it has no ${needs}. Pages have no sockets; use WebSocketClient or fetch there.`,
  );
}
