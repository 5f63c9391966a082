// Who waits for a task: nobody, one, or a set; one is by far the most common.

import { type Waker, wakeSafely } from "../future.ts";

export type Waiters = Waker | Set<Waker> | undefined;

export function addWaiter(waiters: Waiters, waker: Waker): Waiters {
  if (waiters === undefined || waiters === waker) return waker;
  if (waiters instanceof Set) return waiters.add(waker);
  return new Set([waiters, waker]);
}

export function removeWaiter(waiters: Waiters, waker: Waker): Waiters {
  if (waiters === waker) return undefined;
  if (waiters instanceof Set) waiters.delete(waker);
  return waiters;
}

export function wakeAll(waiters: Waker | Set<Waker>): void {
  if (waiters instanceof Set) for (const waker of waiters) wakeSafely(waker);
  else wakeSafely(waiters);
}
