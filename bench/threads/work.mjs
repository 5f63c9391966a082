// What the workers of every side run. Not a case.

export const noop = (n) => n;

export function busy(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return ms;
}

export const touch = (bytes) => {
  bytes[0]++;
  return bytes;
};

/** Iterations of rows from <= y < to of the Julia set of the examples, summed up. */
export function julia(from, to) {
  let sum = 0;
  for (let y = from; y < to; y++) {
    for (let x = 0; x < 800; x++) {
      let re = y * 0.00375 - 1.5;
      let im = x * 0.00375 - 1.5;
      let n = 0;
      while (n < 900 && re * re + im * im <= 2) {
        const next = re * re - im * im - 0.15;
        im = 2 * re * im + 0.65;
        re = next;
        n++;
      }
      sum += n;
    }
  }
  return sum;
}

/** Counts the ticks of an interval of 10 ms, and how late the latest was. */
export function startInterval() {
  const seen = { ticks: 0, late: 0 };
  let due = performance.now() + 10;
  globalThis.seen = seen;
  setInterval(() => {
    const now = performance.now();
    seen.ticks++;
    seen.late = Math.max(seen.late, now - due);
    due = now + 10;
  }, 10);
  return 0;
}
export const readInterval = () => globalThis.seen.ticks;

/** By name, with one argument that is a list: what pools that know one argument call. */
export const byName = {
  noop: ([n]) => noop(n),
  busy: ([ms]) => busy(ms),
  touch: ([bytes]) => touch(bytes),
  julia: ([from, to]) => julia(from, to),
  startInterval,
  readInterval,
};
