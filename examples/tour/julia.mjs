// The Julia set of the tour: its iterations, and a picture of it. Workers load this module by its URL.

export const SIZE = 800;
export const MAX_ITERATIONS = 900;
const SCALE = 0.00375;
const C_RE = -0.15;
const C_IM = 0.65;

/** Iterations of every pixel of rows from <= y < to, as a Uint16Array. */
export function julia(from, to) {
  const counts = new Uint16Array((to - from) * SIZE);
  for (let y = from; y < to; y++) {
    for (let x = 0; x < SIZE; x++) {
      let re = y * SCALE - 1.5;
      let im = x * SCALE - 1.5;
      let n = 0;
      while (n < MAX_ITERATIONS && re * re + im * im <= 2) {
        const next = re * re - im * im + C_RE;
        im = 2 * re * im + C_IM;
        re = next;
        n++;
      }
      counts[(y - from) * SIZE + x] = n;
    }
  }
  return counts;
}

export const sum = (counts) => counts.reduce((total, n) => total + n, 0);
