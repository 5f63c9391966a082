// The unit that is polled next, without a way through the core.
//
// Two tasks that hand something to and fro wake one another when nobody else is ready: each wake would be put into the core's
// ring and taken out of it at once, by two calls that cost as much as the poll. So while the last unit of a batch is polled, and
// the ring is empty, the first wake is kept here; later ones go into the ring, behind it. It is the order of the ring, exactly.
// One that was polled from here and yields while nothing else is ready comes back here, too, as often as the clock need not be read.
//
//   the unit here is NOTIFIED, and in no list of the core: whoever takes it out clears that, or puts it into the ring

import { ARENA_CAPACITY, ARENA_DEFER_COUNT, ARENA_HEAD, ARENA_RING, ARENA_STATES, ARENA_TAIL, COMPLETE, GENERATION_MASK, GUEST, HANDLE_TO_STATE, INDEX_MASK, NOTIFIED } from "../../assembly/layout.ts";
import type { Core } from "../core.ts";

export class NextSlot {
  /** The handle of the unit, -1 when there is none. */
  handle = -1;
  /** The last unit of a batch is being polled, and nothing was woken so far. */
  isOpen = false;
  private readonly core: Core;
  /** The arena's first word. */
  private readonly arena: number;

  constructor(core: Core, arena: number) {
    this.core = core;
    this.arena = arena >> 2;
  }

  /** Keeps a unit that was woken. False when the core has to see to it. */
  take(handle: number): boolean {
    const { arena } = this;
    const { i32 } = this.core;
    this.isOpen = false;
    if (handle < 0 || i32[arena + (ARENA_HEAD >> 2)] !== i32[arena + (ARENA_TAIL >> 2)]) return false;
    const at = this.stateAt(handle);
    const state = i32[at] as number;
    if ((state & (NOTIFIED | COMPLETE | GUEST)) !== 0 || ((state ^ (handle << HANDLE_TO_STATE)) & GENERATION_MASK) !== 0) return false;
    i32[at] = state | NOTIFIED;
    this.handle = handle;
    return true;
  }

  /** Keeps a unit that yields while nothing else is ready, nothing that it has woken either. False when the core has to see to it. */
  takeAgain(handle: number): boolean {
    return this.handle < 0 && this.core.i32[this.arena + (ARENA_DEFER_COUNT >> 2)] === 0 && this.take(handle);
  }

  /** Takes it out to be polled. */
  shift(): number {
    const { handle } = this;
    this.handle = -1;
    this.core.i32[this.stateAt(handle)]! &= ~NOTIFIED;
    return handle;
  }

  /** Puts it at the front of the ring: what is in there was woken later. */
  putBack(): void {
    const { arena } = this;
    const { i32 } = this.core;
    const head = ((i32[arena + (ARENA_HEAD >> 2)] as number) - 1) | 0;
    const place = head & ((i32[arena + (ARENA_CAPACITY >> 2)] as number) - 1);
    i32[((i32[arena + (ARENA_RING >> 2)] as number) >>> 2) + place] = this.handle & INDEX_MASK;
    i32[arena + (ARENA_HEAD >> 2)] = head;
    this.handle = -1;
  }

  private stateAt(handle: number): number {
    return ((this.core.i32[this.arena + (ARENA_STATES >> 2)] as number) >>> 2) + (handle & INDEX_MASK);
  }
}
