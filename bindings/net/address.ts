// Addresses, and the checks of arguments that all of tokiwa/net share.

import { OptionError } from "../errors.ts";
import { checkInteger, show } from "../options.ts";

/** Where a socket of the internet is, or is to be. */
export interface Addr {
  readonly host: string;
  readonly port: number;
}

/** Where a Unix socket is. */
export interface UnixAddr {
  readonly path: string;
}

const MAX_PORT = 65_535;
const MAX_BACKLOG = 65_535;

function checkObject(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new OptionError(`${name} must be an object such as { host, port }, got ${show(value)}`);
  return value as Record<string, unknown>;
}

export function checkHost(name: string, value: unknown): string {
  if (typeof value !== "string" || value === "" || value.includes("\0")) throw new OptionError(`${name} must be a host name or an IP address, got ${show(value)}`);
  return value;
}

export function checkPort(name: string, value: unknown): number {
  return checkInteger(name, value, 0, MAX_PORT);
}

/** `{ host?, port }`; the host that is meant when none is given is the caller's. */
export function checkAddr(addr: unknown, defaultHost: string): Addr {
  const { host, port } = checkObject("addr", addr);
  return { host: host === undefined ? defaultHost : checkHost("addr.host", host), port: checkPort("addr.port", port) };
}

export function checkPath(addr: unknown): string {
  const { path } = checkObject("addr", addr);
  if (typeof path !== "string" || path === "") throw new OptionError(`addr.path must be the path of a socket, got ${show(path)}`);
  return path;
}

export function checkBacklog(value: unknown): number {
  return value === undefined ? 1024 : checkInteger("addr.backlog", value, 1, MAX_BACKLOG);
}

function isDetached(bytes: Uint8Array): boolean {
  return bytes.length === 0 && (bytes.buffer as { detached?: boolean }).detached === true;
}

function checkAttached(name: string, bytes: Uint8Array): void {
  if (isDetached(bytes)) throw new OptionError(`${name} has a detached buffer: it was transferred to another thread`);
}

/** A buffer to read into. Empty ones are refused: 0 bytes read would look like the end. */
export function checkInto(into: unknown): Uint8Array {
  if (!(into instanceof Uint8Array)) throw new OptionError(`into must be a Uint8Array, got ${show(into)}`);
  if (into.length === 0) {
    checkAttached("into", into);
    throw new OptionError("into must have room for at least 1 byte, got one of length 0");
  }
  return into;
}

/** A buffer to fill completely; it may be empty. */
export function checkExact(into: unknown): Uint8Array {
  if (!(into instanceof Uint8Array)) throw new OptionError(`into must be a Uint8Array, got ${show(into)}`);
  checkAttached("into", into);
  return into;
}

export function checkBytes(bytes: unknown): Uint8Array {
  if (!(bytes instanceof Uint8Array)) {
    throw new OptionError(`bytes must be a Uint8Array, got ${show(bytes)}${typeof bytes === "string" ? ": encode text with new TextEncoder().encode(text)" : ""}`);
  }
  checkAttached("bytes", bytes);
  return bytes;
}

/** What is to be written: one piece, or several that go out together. */
export function checkPieces(bytes: unknown): Uint8Array | readonly Uint8Array[] {
  if (!Array.isArray(bytes)) return checkBytes(bytes);
  for (const piece of bytes) checkBytes(piece);
  return bytes as Uint8Array[];
}
