// Keeps the process alive exactly while somebody waits for a socket or a signal.
//
// Sockets and servers are unref'd from the start: an open listener that no task accepts on cannot
// wake anybody, and must not hold up the end of a program. Instead each wait counts here, and
// while there is one a single host timer holds the process. It is given back a little after the
// count reached zero: between two reads of an echo loop it reaches zero all the time.
// Writes under way need nothing: the host counts those as work by itself.

import { keepAlive, startTimer } from "../host.ts";

const LINGER_MS = 20;

let waits = 0;
let release: (() => void) | undefined;
let isChecking = false;

export function hold(): void {
  if (++waits === 1 && release === undefined) release = keepAlive();
}

export function letGo(): void {
  if (--waits > 0 || isChecking) return;
  isChecking = true;
  const timer = startTimer(check, LINGER_MS) as { unref?: () => void };
  timer.unref?.();
}

function check(): void {
  isChecking = false;
  if (waits > 0) return;
  release?.();
  release = undefined;
}
