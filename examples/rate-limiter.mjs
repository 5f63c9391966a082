// A rate limiter: at most 5 requests at once, and at most 10 started in 100 ms, for any number of callers.
// Run it with `node examples/rate-limiter.mjs`, after `npm run build`.
//
// A Semaphore is both: permits that come back with the work limit how many run, permits that are forgotten and
// refilled by an interval (a token bucket) limit how many start. A caller that gives up loses nothing.

import { interval, lazy, run, Semaphore, sleep, spawn, timeout } from "tokiwa";

class RateLimiter {
  #slots;
  #tokens;
  #burst;
  #refilling;

  constructor({ concurrency, burst, everyMs }) {
    this.#slots = new Semaphore(concurrency);
    this.#tokens = new Semaphore(burst);
    this.#burst = burst;
    this.#refilling = spawn(async () => {
      const ticks = interval(everyMs);
      await ticks.tick();                                  // the first comes at once, and the bucket is full
      for (;;) {
        await ticks.tick();
        this.#tokens.addPermits(this.#burst - this.#tokens.availablePermits);
      }
    });
  }

  /** Runs `fn` when its turn has come. */
  async run(fn) {
    const slot = await this.#slots.acquire();              // where the host knows it: using slot = ...
    try {
      (await this.#tokens.acquire()).forget();             // it does not come back, the interval refills
      return await fn();
    } finally {
      slot.release();
    }
  }

  close() {
    this.#refilling.abort();
  }
}

await run(async () => {
  const limiter = new RateLimiter({ concurrency: 5, burst: 10, everyMs: 100 });
  const start = performance.now();
  let running = 0;
  let most = 0;
  const request = async () => {
    most = Math.max(most, ++running);
    const startedAt = performance.now() - start;
    await sleep(5);
    running--;
    return startedAt;
  };

  // A promise cannot be cut short, an async block can: what it holds is given back when it is dropped.
  const impatient = spawn(timeout(1, lazy(() => limiter.run(() => sleep(Infinity)))));
  const handles = Array.from({ length: 30 }, () => spawn(() => limiter.run(request)));
  const times = [];
  for (const handle of handles) times.push(await handle);
  const gaveUp = (await impatient.result()).status === "rejected";

  limiter.close();

  const waves = Array.from({ length: 5 }, (_, k) => times.filter((t) => Math.min(4, Math.floor(t / 100)) === k).length);
  console.log(`30 requests, at most ${most} at once, started per 100 ms: ${waves.join(", ")}; the impatient one gave up: ${gaveUp}`);
  if (most > 5 || !gaveUp || waves.reduce((a, b) => a + b) !== 30) throw new Error("the limiter does not limit");
});
