// Whether it pays to look for a moment before a thread sleeps.
//
// To sleep and be woken costs both sides a system call and a turn of the kernel's scheduler, and an idle core needs longest of all: jobs one
// at a time take a third with it, where both threads have a core of their own. Where they share one, the thread that looks
// only keeps the other from what it is waiting for. So after a look in vain the next 1, 3, 7 ... sleeps go without one, until one
// look has found something. To halve the number then, instead of forgetting it, was no better.

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
