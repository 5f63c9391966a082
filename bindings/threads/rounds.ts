// Permits that everybody who waits gets at once, without taking any: what a barrier and a notification of all waiters are made of.
//
//   COME   how many have come to the barrier in this round
//   ROUND  counts on: the round that began last
//
// Whoever waits says which round he knows, and goes on as soon as there is another one. So nothing is counted out to those who wait, and one
// who leaves, or dies, leaves nothing behind; and those for whom the queue had no cell find out when they come again.
// Besides, one of them may get the permit of notifyOne(), which goes on to the next if he leaves.

import { EXTRA } from "./ledger.ts";
import { Permits } from "./permits.ts";

const COME = EXTRA;
const ROUND = EXTRA + 1;

export class Rounds extends Permits {
  /** What is to be asked for: the next round, or a permit. */
  get round(): number {
    return Atomics.load(this.words, ROUND);
  }

  override mayTake(wanted: number): boolean {
    return this.words[ROUND] !== wanted || super.mayTake(1);
  }

  override costOf(wanted: number): number {
    return this.words[ROUND] === wanted ? 1 : 0;
  }

  override priceOf(): number {
    return 1;
  }

  /** Lets everybody go on who waits now. */
  begin(): void {
    this.ledger.enter();
    this.#noteNext();
    this.ledger.leave();
  }

  #noteNext(): void {
    const { words, ledger } = this;
    ledger.note(COME, 0);
    ledger.note(ROUND, ((words[ROUND] as number) + 1) | 0);
    ledger.commit();
    this.pass();
  }

  /** One more has come. @returns the round that was open, or `undefined` for the last of `n`, who has begun the next */
  arrive(n: number): number | undefined {
    const { words, ledger } = this;
    ledger.enter();
    const round = words[ROUND] as number;
    const come = (words[COME] as number) + 1;
    const isLast = come >= n;
    if (isLast) this.#noteNext();
    else words[COME] = come;
    ledger.leave();
    return isLast ? undefined : round;
  }
}
