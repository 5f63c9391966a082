// Whether it pays to look for a moment before a thread sleeps.
//
// To sleep and be woken costs both sides a system call and a turn of the kernel's scheduler, and an idle core needs longest of all: jobs one
// at a time take a third with it, where both threads have a core of their own. Where they share one, the thread that looks
// only keeps the other from what it is waiting for. So after a look in vain the next 1, 3, 7 ... sleeps go without one, until one
// look has found something. Tried: to halve the number then, instead of forgetting it; 7, 63 ..., which costs less where looks never find
// anything, and loses more where they do; to count a look that was held for 20 us or more as one in vain, which took 0.65 to 0.9 of the time
// on one core, and on two, after a pause, up to twice as long.

import { followsPoll, macrotask, monotonicNow } from "../host.ts";

/**
 * So long a look may take, in ms. One that is shorter than a wake never finds both ends awake: with 0.05 jobs in bursts of 50 took
 * about twice as long. With 0.3 no less.
 */
const LOOK_TIME = 0.15;
const MAX_SKIPS = 255;

export class Lookout {
  #skips = 0;
  #skipped = 0;
  #until = 0;

  /**
   * Asked once before each sleep: whether to look now.
   *
   * @param factor of the usual time
   */
  begin(factor = 1): boolean {
    if (this.#skips > 0) {
      this.#skips--;
      return false;
    }
    this.#until = monotonicNow() + factor * LOOK_TIME;
    return true;
  }

  /** Whether there is time for one more look. */
  goesOn(): boolean {
    return monotonicNow() < this.#until;
  }

  /** What it came to. */
  end(hasFound: boolean): void {
    this.#skips = this.#skipped = hasFound ? 0 : Math.min(2 * this.#skipped + 1, MAX_SKIPS);
  }
}

/**
 * A look for messages: the event loop turns without sleeping, so its timers and sockets go on. Only in hosts where such a turn costs next to
 * nothing: there a job by messages takes a third of the time when both ends look, and less CPU time too.
 */
export class MessageLookout {
  readonly #lookout = new Lookout();
  #isLooking = false;
  #isScheduled = false;

  /** Nothing is left to do until a message comes. */
  begin(): void {
    if (!followsPoll || this.#isLooking || !this.#lookout.begin()) return;
    this.#isLooking = true;
    this.#turn();
  }

  /** A message has come. */
  found(): void {
    if (this.#isLooking) this.#end(true);
  }

  #end(hasFound: boolean): void {
    this.#isLooking = false;
    this.#lookout.end(hasFound);
  }

  #turn(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    macrotask(this.#goOn);
  }

  readonly #goOn = (): void => {
    this.#isScheduled = false;
    if (!this.#isLooking) return;
    if (this.#lookout.goesOn()) this.#turn();
    else this.#end(false);
  };
}
