// A Julia set: its iterations, and their colours. Workers of Node and of pages load this module by its URL.

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

/** What the iterations of a whole image add up to. */
export const EXPECTED_SUM = 44_841_052;

export const sum = (counts) => counts.reduce((total, n) => total + n, 0);

/** Evergreen: from dark needles to light, inside black. @returns red, green, blue, 0 to 255 */
export function colour(n) {
  if (n >= MAX_ITERATIONS) return [8, 20, 14];
  const t = Math.sqrt(n / MAX_ITERATIONS);
  return [Math.round(20 + 225 * t ** 0.8), Math.round(60 + 190 * t ** 0.5), Math.round(50 + 120 * t)];
}

const COLOURS = Array.from({ length: MAX_ITERATIONS + 1 }, (_, n) => colour(n));

/** Writes red, green, blue, and with four channels an opaque alpha, for each of `counts`. */
export function paint(counts, into, channels) {
  for (let i = 0, at = 0; i < counts.length; i++, at += channels) {
    const [red, green, blue] = COLOURS[counts[i]];
    into[at] = red;
    into[at + 1] = green;
    into[at + 2] = blue;
    if (channels === 4) into[at + 3] = 255;
  }
  return into;
}
