// Whether it pays to look for a moment before a thread sleeps.
//
// To sleep and be woken costs both sides a system call and a turn of the kernel's scheduler, and an idle core needs longest of all: jobs one
// at a time take a third with it, where both threads have a core of their own. Where they share one, the thread that looks
// only keeps the other from what it is waiting for. So after a look in vain the next 1, 3, 7 ... sleeps go without one, until one
// look has found something, and was not held meanwhile. To halve the number then, instead of forgetting it, was no better. Nor was 7,
// 63 ...: it costs less where looks never find anything, and loses more where they do.

import { followsPoll, macrotask, monotonicNow } from "../host.ts";

/**
 * So long a look may take, in ms. One that is shorter than a wake never finds both ends awake: with 0.05 jobs in bursts of 50 took
 * about twice as long. With 0.3 no less.
 */
const LOOK_TIME = 0.15;
const MAX_SKIPS = 255;

/**
 * A thread that gets no further between two looks for so long, in ms, was held by the kernel, for a thread that needs its core. One job at a
 * time on one core: 0.65 to 0.9 of the time. Of looks for messages nothing is gained so: the turns of the event loop between them vary as much.
 */
const HELD_TIME = 0.02;

export class Lookout {
  #skips = 0;
  #skipped = 0;
  #until = 0;
  #lookedAt = 0;
  #wasHeld = false;
  readonly #heldTime: number;

  /** @param heldTime see HELD_TIME */
  constructor(heldTime = HELD_TIME) {
    this.#heldTime = heldTime;
  }

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
    this.#lookedAt = monotonicNow();
    this.#until = this.#lookedAt + factor * LOOK_TIME;
    this.#wasHeld = false;
    return true;
  }

  /** After each look: whether there is time for one more. */
  goesOn(): boolean {
    const now = monotonicNow();
    if (now - this.#lookedAt > this.#heldTime) this.#wasHeld = true;
    this.#lookedAt = now;
    return now < this.#until && !this.#wasHeld;
  }

  /** What it came to. */
  end(hasFound: boolean): void {
    this.#skips = this.#skipped = hasFound && !this.#wasHeld ? 0 : Math.min(2 * this.#skipped + 1, MAX_SKIPS);
  }
}

/**
 * A look for messages: the event loop turns without sleeping, so its timers and sockets go on. Only in hosts where such a turn costs next to
 * nothing: there a job by messages takes a third of the time when both ends look, and less CPU time too.
 */
export class MessageLookout {
  readonly #lookout = new Lookout(Infinity);
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
