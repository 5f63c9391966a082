// The Julia set: four whole images one after the other on this thread, then the four on four threads; the first
// one is drawn. Workers load the module by its URL.
import { writeFileSync, mkdirSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { Instant } from "tokiwa";
import { send, ThreadPool } from "tokiwa/threads";
import { encodePng } from "../png.mjs";
import { julia, MAX_ITERATIONS, SIZE, sum } from "../julia.mjs";

const IMAGES = 4;
const EXPECTED = 44_841_052;
const PICTURE = new URL("../../../build/julia.png", import.meta.url);

/** Evergreen: from dark needles to light, inside black. */
function colour(n) {
  if (n >= MAX_ITERATIONS) return [8, 20, 14];
  const t = Math.sqrt(n / MAX_ITERATIONS);
  return [Math.round(20 + 225 * t ** 0.8), Math.round(60 + 190 * t ** 0.5), Math.round(50 + 120 * t)];
}

export default {
  title: "the Julia set, four times serially and four times on threads",
  async run(print, progress) {
    const sums = [];
    let image;
    let start = Instant.now();
    for (let n = 0; n < IMAGES; n++) {
      image = julia(0, SIZE);
      sums.push(sum(image));
      progress(`${n + 1} of ${IMAGES} serially`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const serialMs = start.elapsed();

    const pool = new ThreadPool({ size: IMAGES });
    try {
      const job = send(new URL("../julia.mjs", import.meta.url), "julia");
      await Promise.all(Array.from({ length: IMAGES }, async () => pool.exec(job, 0, 1)));   // the workers have started
      start = Instant.now();
      const handles = Array.from({ length: IMAGES }, () => pool.exec(job, 0, SIZE));
      for (const handle of handles) sums.push(sum(await handle));
    } finally {
      await pool.shutdown();
    }
    const parallelMs = start.elapsed();
    print(`serially ${Math.round(serialMs)} ms, on ${IMAGES} threads ${Math.round(parallelMs)} ms (${(serialMs / parallelMs).toFixed(1)}x)`);
    mkdirSync(new URL(".", PICTURE), { recursive: true });
    writeFileSync(PICTURE, encodePng(SIZE, SIZE, (x, y) => colour(image[y * SIZE + x]), deflateSync));
    print(`${fileURLToPath(PICTURE)}: sum of iterations ${sums[0].toLocaleString("en").replaceAll(",", " ")}`);
    return sums;
  },
  check(_lines, sums) {
    if (sums.length !== 2 * IMAGES) return `${sums.length} images`;
    return sums.every((one) => one === EXPECTED) ? undefined : `sums ${sums.join(", ")} instead of ${EXPECTED}`;
  },
};
