// The Julia set: four whole images one after the other on this thread, then the four on four threads, then one in
// strips; the last is drawn. Workers load the module by its URL.
import { writeFileSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { Instant } from "tokiwa";
import { send, ThreadPool } from "tokiwa/threads";
import { EXPECTED_SUM, julia, paint, SIZE, sum } from "../../julia/julia.mjs";

const IMAGES = 4;
const ROWS = 20;
const PICTURE = new URL("../../../build/julia.png", import.meta.url);

export default {
  title: "the Julia set, four times serially and four times on threads",
  async run(print, progress) {
    const sums = [];
    const image = new Uint16Array(SIZE * SIZE);
    let start = Instant.now();
    for (let n = 0; n < IMAGES; n++) {
      sums.push(sum(julia(0, SIZE)));
      progress(`${n + 1} of ${IMAGES} serially`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const serialMs = start.elapsed();

    let parallelMs;
    let stripsMs;
    const pool = new ThreadPool({ size: IMAGES });
    try {
      const job = send(new URL("../../julia/julia.mjs", import.meta.url), "julia");
      await Promise.all(Array.from({ length: IMAGES }, async () => pool.exec(job, 0, 1)));   // the workers have started
      start = Instant.now();
      const handles = Array.from({ length: IMAGES }, () => pool.exec(job, 0, SIZE));
      for (const handle of handles) sums.push(sum(await handle));
      parallelMs = start.elapsed();
      start = Instant.now();
      const strips = Array.from({ length: SIZE / ROWS }, (_, n) => pool.exec(job, n * ROWS, (n + 1) * ROWS));
      for (const [n, strip] of strips.entries()) image.set(await strip, n * ROWS * SIZE);
      sums.push(sum(image));
      stripsMs = start.elapsed();
    } finally {
      await pool.shutdown();
    }
    print(`serially ${Math.round(serialMs)} ms, on ${IMAGES} threads ${Math.round(parallelMs)} ms (${(serialMs / parallelMs).toFixed(1)}x); one in ${SIZE / ROWS} strips ${Math.round(stripsMs)} ms`);
    mkdirSync(new URL(".", PICTURE), { recursive: true });
    writeFileSync(PICTURE, encode({ width: SIZE, height: SIZE, channels: 3, data: paint(image, new Uint8Array(SIZE * SIZE * 3), 3) }));
    print(`${fileURLToPath(PICTURE)}: sum of iterations ${sums[0].toLocaleString("en").replaceAll(",", " ")}`);
    return sums;
  },
  check(_lines, sums) {
    if (sums.length !== 2 * IMAGES + 1) return `${sums.length} images`;
    return sums.every((one) => one === EXPECTED_SUM) ? undefined : `sums ${sums.join(", ")} instead of ${EXPECTED_SUM}`;
  },
};
