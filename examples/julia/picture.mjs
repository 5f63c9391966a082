// A Julia set on threads, into a PNG file. Run: node examples/julia/picture.mjs [threads] [file]
//
// Four whole images one after the other on this thread, then the four on a pool, as wasm-mt's demo does. Then one image
// in strips: there are many more strips than threads, because the rows in the middle take longest.
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { pathToFileURL } from "node:url";
import { encode } from "fast-png";
import { Instant } from "tokiwa";
import { send, ThreadPool } from "tokiwa/threads";
import { EXPECTED_SUM, julia, paint, SIZE, sum } from "./julia.mjs";

const IMAGES = 4;
const ROWS = 20;
const [threads = String(availableParallelism()), file = "julia.png"] = process.argv.slice(2);

const remoteJulia = send(new URL("./julia.mjs", import.meta.url), "julia");

const check = (total) => {
  if (total !== EXPECTED_SUM) throw new Error(`the iterations add up to ${total} instead of ${EXPECTED_SUM}`);
  return total.toLocaleString("en").replaceAll(",", " ");
};

let start = Instant.now();
for (let n = 0; n < IMAGES; n++) check(sum(julia(0, SIZE)));
console.log(`${IMAGES} images serially: ${Math.round(start.elapsed())} ms`);

const pool = new ThreadPool({ size: Number(threads), name: "julia" });
try {
  start = Instant.now();
  const images = await Promise.all(Array.from({ length: IMAGES }, () => pool.exec(remoteJulia, 0, SIZE)));
  for (const image of images) check(sum(image));
  console.log(`${IMAGES} images on ${pool.size} threads, started for it: ${Math.round(start.elapsed())} ms`);

  start = Instant.now();
  const strips = Array.from({ length: SIZE / ROWS }, (_, n) => pool.exec(remoteJulia, n * ROWS, (n + 1) * ROWS));
  const image = new Uint16Array(SIZE * SIZE);
  for (const [n, strip] of strips.entries()) image.set(await strip, n * ROWS * SIZE);
  console.log(`one image in ${strips.length} strips: ${Math.round(start.elapsed())} ms`);

  writeFileSync(file, encode({ width: SIZE, height: SIZE, channels: 3, data: paint(image, new Uint8Array(SIZE * SIZE * 3), 3) }));
  console.log(`sum of iterations ${check(sum(image))}, drawn in ${pathToFileURL(file).pathname.split("/").at(-1)}`);
} finally {
  await pool.shutdown();
}
