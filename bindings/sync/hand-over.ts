// A future that a second task begins to wait for while a first one does.
//
// Futures have one owner, and the waker of the last poll is the one that is woken. Who waited before must not
// hang, though: if it is a task or an await of ours it is woken as well, when the future is ready or dropped, and learns at its next
// poll that the value is somebody else's (TOKIWA_COMPLETED). Somebody's own waker is simply replaced.

import { type Waker, wakeSafely } from "../future.ts";

/** Above so many, those that have ended are looked for. */
const MANY = 8;

/** The last waker, and those that it has replaced. */
class Both implements Waker {
  last: Waker;
  readonly replaced = new Set<Waker>();
  #limit = MANY;

  constructor(last: Waker) {
    this.last = last;
  }

  replace(waker: Waker): void {
    const { last, replaced } = this;
    replaced.delete(waker);
    if (waits(last)) replaced.add(last);
    this.last = waker;
    if (replaced.size < this.#limit) return;
    for (const one of replaced) if (!waits(one)) replaced.delete(one);
    this.#limit = Math.max(MANY, replaced.size * 2);
  }

  wake(): void {
    wakeSafely(this.last);
    this.wakeReplaced();
  }

  wakeReplaced(): void {
    for (const waker of this.replaced) if (waits(waker)) wakeSafely(waker);
  }
}

/** A task, or an await, that has not ended: a unit has a slot, an await outside of any runtime says whether it is done. */
function waits(waker: Waker): boolean {
  const { handle, isDone } = waker as { handle?: unknown; isDone?: unknown };
  return typeof handle === "number" ? handle >= 0 : isDone === false;
}

/** What to keep as the waker when `waker` polls. */
export function handOver(before: Waker | null, waker: Waker): Waker {
  return before === null || before === waker ? waker : replace(before, waker);
}

function replace(before: Waker, waker: Waker): Waker {
  if (!(before instanceof Both)) {
    if (!waits(before)) return waker;
    before = new Both(before);
  }
  const both = before as Both;
  if (both.last !== waker) both.replace(waker);
  return both;
}

/** What to keep when `waker` no longer waits, though the future goes on. */
export function without(before: Waker | null, waker: Waker | null): Waker | null {
  if (before === waker) return null;
  if (waker !== null && before instanceof Both) {
    before.replaced.delete(waker);
    if (before.last === waker) {
      const [next = null] = before.replaced;
      if (next === null) return null;
      before.replace(next);
      before.replaced.delete(waker);
    }
  }
  return before;
}

/** The future is over without a wake: whoever was replaced has to look. */
export function letGo(waker: Waker | null): void {
  if (waker instanceof Both) waker.wakeReplaced();
}
