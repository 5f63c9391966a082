// Names of hosts.

import { OptionError } from "../errors.ts";
import { type Future, future, PENDING, type Waker } from "../future.ts";
import { show } from "../options.ts";
import { type Addr, checkHost, checkPort } from "./address.ts";
import { Gate } from "./gate.ts";
import { need } from "./modules.ts";

/** "host", "host:port", "[v6]:port" or a bare IPv6 address. */
function parse(text: string): Addr {
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  if (parts !== null) return { host: (parts[1] ?? parts[2]) as string, port: checkPort("port", Number(parts[3])) };
  const bracketed = /^\[([^\]]+)\]$/.exec(text);
  const host = bracketed?.[1] ?? text;
  const isV6 = (host.match(/:/g)?.length ?? 0) > 1;
  if (host.includes(":") && !isV6) throw new OptionError(`host must be "host" or "host:port", got ${show(text)}`);
  return { host, port: 0 };
}

/**
 * The addresses of a host, as the system resolves it. Dropping it forgets the answer; the system still looks.
 *
 * @param host a name or an address, with `:port` if the result is to carry one (otherwise 0)
 * @throws the host's error: `ENOTFOUND`, `EAI_AGAIN`, ...
 * @example const [first] = await lookupHost("localhost:8080");
 */
export function lookupHost(host: string): Future<Addr[]> {
  const dns = need("node:dns", "lookupHost()");
  const { host: name, port } = parse(checkHost("host", host));
  const gate = new Gate(true);
  const owner = {};
  let isStarted = false;
  let result: { addrs: Addr[] } | { error: Error } | undefined;
  return future(
    (waker: Waker) => {
      if (!isStarted) {
        isStarted = true;
        dns.lookup(name, { all: true, verbatim: true }, (error, found) => {
          result = error === null || error === undefined ? { addrs: found.map(({ address }) => ({ host: address, port })) } : { error };
          gate.open();
        });
      }
      if (result === undefined) {
        gate.wait(owner, waker);
        return PENDING;
      }
      if ("error" in result) throw result.error;
      return result.addrs;
    },
    () => gate.forget(owner),
  );
}
