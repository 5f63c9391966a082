// Whether it pays to look for a moment before a thread sleeps.
//
// To sleep and be woken costs both sides a system call and a turn of the kernel's scheduler, and an idle core needs longest of all: jobs one
// at a time take a third with it, where both threads have a core of their own. Where they share one, the thread that looks
// only keeps the other from what it is waiting for. So after a look in vain the next 1, 3, 7 ... sleeps go without one, until one
// look has found something. To halve the number then, instead of forgetting it, was no better. Nor was 7, 63 ...: it costs less where looks
// never find anything, and loses more where they do.

import { followsPoll, macrotask, monotonicNow } from "../host.ts";

/**
 * So long a look may take, in ms. One that is shorter than a wake never finds both ends awake: with 0.05 jobs in bursts of 50 took
 * about twice as long. With 0.3 no less.
 */
export const LOOK_TIME = 0.15;
const MAX_SKIPS = 255;

export class Lookout {
  #skips = 0;
  #skipped = 0;

  /** Asked once before each sleep. */
  shouldLook(): boolean {
    if (this.#skips === 0) return true;
    this.#skips--;
    return false;
  }

  /** What it came to. */
  looked(hasFound: boolean): void {
    this.#skips = this.#skipped = hasFound ? 0 : Math.min(2 * this.#skipped + 1, MAX_SKIPS);
  }
}

/**
 * A look for messages: the event loop turns without sleeping, so its timers and sockets go on. Only in hosts where such a turn costs next to
 * nothing: there a job by messages takes a third of the time when both ends look, and less CPU time too.
 */
export class MessageLookout {
  readonly #lookout = new Lookout();
  /** 0 when it does not look. */
  #until = 0;
  #isScheduled = false;

  /** Nothing is left to do until a message comes. */
  begin(): void {
    if (!followsPoll || this.#until > 0 || !this.#lookout.shouldLook()) return;
    this.#until = monotonicNow() + LOOK_TIME;
    this.#turn();
  }

  /** A message has come. */
  found(): void {
    if (this.#until === 0) return;
    this.#until = 0;
    this.#lookout.looked(true);
  }

  #turn(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    macrotask(this.#goOn);
  }

  readonly #goOn = (): void => {
    this.#isScheduled = false;
    if (this.#until === 0) return;
    if (monotonicNow() < this.#until) {
      this.#turn();
      return;
    }
    this.#until = 0;
    this.#lookout.looked(false);
  };
}
