// Scheduling choices: a small generator that a seed makes repeatable (xorshift32; nothing
// secret depends on it).

export class Random {
  #state: number;

  constructor(seed: number | undefined) {
    const start = seed === undefined ? Math.random() * 0x1_0000_0000 : seed * 0x9e37_79b9 + 0x7f4a_7c15;
    this.#state = start >>> 0 || 1;                        // all zeros would stay zero for ever
  }

  /** An integer from 0 to `n` - 1. */
  below(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % n;
  }
}
