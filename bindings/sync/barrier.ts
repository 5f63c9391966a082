// Barrier: everybody waits until the last one has arrived.
//
// Who arrives is counted at the first poll. The last of a generation does not wait: it is the leader, opens
// the gate for the others and begins the next generation.

import { completed, PENDING, proceed, restore, type Future, type Waker } from "../future.ts";
import { checkInteger } from "../options.ts";
import { Waiter, WaiterQueue } from "./waiters.ts";

/** What `Barrier.wait()` gives. */
export interface BarrierWaitResult {
  /** True for one of each generation: the one that arrived last. */
  readonly isLeader: boolean;
}

const LEADER: BarrierWaitResult = /* @__PURE__ */ Object.freeze({ isLeader: true });
const FOLLOWER: BarrierWaitResult = /* @__PURE__ */ Object.freeze({ isLeader: false });

/** What a `Barrier` and its waits share. */
class Gate {
  readonly queue: WaiterQueue<Wait> = new WaiterQueue<Wait>();
  readonly size: number;
  arrived = 0;
  generation = 1;

  constructor(size: number) {
    this.size = size;
  }
}

/** Has not arrived yet. */
const NO_GENERATION = 0;
const OVER = -1;

class Wait extends Waiter<BarrierWaitResult> {
  readonly #gate: Gate;
  #generation = NO_GENERATION;

  constructor(gate: Gate) {
    super();
    this.#gate = gate;
  }

  override get isRepollable(): boolean {
    return true;
  }

  poll(waker: Waker): BarrierWaitResult | typeof PENDING {
    const gate = this.#gate;
    if (this.#generation === OVER) completed();
    if (!proceed(waker)) return PENDING;
    if (this.#generation === NO_GENERATION) {
      if (++gate.arrived === gate.size) {
        gate.arrived = 0;
        gate.generation++;
        this.#generation = OVER;
        gate.queue.wakeAll();
        return LEADER;
      }
      this.#generation = gate.generation;
      gate.queue.push(this);
    } else if (this.#generation !== gate.generation) {
      gate.queue.remove(this);
      this.#generation = OVER;
      return FOLLOWER;
    }
    this.waitWith(waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#gate.queue.remove(this);
    this.forgetWaker();
    this.#generation = OVER;
  }

  override describe(): string {
    return `a barrier (${this.#gate.arrived} of ${this.#gate.size} have arrived)`;
  }
}

/**
 * A meeting point for `n`: `wait()` is ready for all of them when the last has arrived. Then it can be used again.
 *
 * @example
 * const start = new Barrier(3);
 * for (let i = 0; i < 3; i++) spawn(async () => { await prepare(i); await start.wait(); await race(i); });
 */
export class Barrier {
  readonly #gate: Gate;

  /**
   * @param n how many must arrive, 0 to 2^53 - 1; 0 is taken as 1
   * @throws {OptionError} for anything else
   */
  constructor(n: number) {
    this.#gate = new Gate(Math.max(1, checkInteger("n", n, 0, Number.MAX_SAFE_INTEGER)));
  }

  /**
   * Arrives, and waits for the others.
   *
   * Not cancel safe: one that is dropped after its first poll has arrived all the same, as in Tokio.
   */
  wait(): Future<BarrierWaitResult> {
    return new Wait(this.#gate);
  }
}
