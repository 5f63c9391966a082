// The page: hands strips to a pool of workers and paints what comes back. Without a bundler, so the package is imported
// as files; a bundled page would say from "tokiwa" and from "tokiwa/threads".
import { Instant } from "../../dist/index.js";
import { send, ThreadPool } from "../../dist/threads.js";
import { EXPECTED_SUM, paint, SIZE, sum } from "./julia.mjs";

const ROWS = 20;
const STRIPS = SIZE / ROWS;
const julia = send(new URL("./julia.mjs", import.meta.url), "julia");   // the workers load this module

const at = (id) => document.getElementById(id);
const show = (id, text) => {
  at(id).textContent = text;
};
const drawing = at("canvas").getContext("2d");

let pool;
let runs = 0;

function say(state, text) {
  at("status").dataset.state = state;
  show("status", text);
  at("stop").disabled = state !== "running";
}

/** The longest time between two frames, until stop() is called. */
function watchFrames() {
  let last = performance.now();
  let slowest = 0;
  let isOn = true;
  const frame = (now) => {
    slowest = Math.max(slowest, now - last);
    last = now;
    if (isOn) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  return () => {
    isOn = false;
    return slowest;
  };
}

async function draw() {
  const run = ++runs;
  await pool?.shutdown();                                  // what is left of the run before is cancelled
  if (run !== runs) return;
  const size = at("workers").valueAsNumber;
  pool = new ThreadPool({ size });
  drawing.clearRect(0, 0, SIZE, SIZE);
  at("progress").value = 0;
  say("running", `counting with ${size} worker${size === 1 ? "" : "s"}`);
  const framesEnd = watchFrames();
  const start = Instant.now();
  let total = 0;
  try {
    await Promise.all(
      Array.from({ length: STRIPS }, async (_, n) => {
        const counts = await pool.exec(julia, n * ROWS, (n + 1) * ROWS);
        const pixels = paint(counts, new Uint8ClampedArray(counts.length * 4), 4);
        drawing.putImageData(new ImageData(pixels, SIZE, ROWS), 0, n * ROWS);
        total += sum(counts);
        at("progress").value++;
      }),
    );
    show("time", `${Math.round(start.elapsed())} ms`);
    show("sum", total.toLocaleString("en").replaceAll(",", " "));
    say(total === EXPECTED_SUM ? "done" : "failed", total === EXPECTED_SUM ? `done by ${size} worker${size === 1 ? "" : "s"}` : `the sum should be ${EXPECTED_SUM}`);
  } catch (error) {
    if (run === runs) say(error.code === "TOKIWA_CANCELLED" ? "stopped" : "failed", error.code === "TOKIWA_CANCELLED" ? `stopped after ${at("progress").value} of ${STRIPS} strips` : String(error));
  } finally {
    show("frame", `${framesEnd().toFixed(1)} ms`);
  }
}

const cores = navigator.hardwareConcurrency ?? 2;
at("workers").max = Math.max(8, cores);
at("workers").value = cores;
show("count", cores);
show("transport", crossOriginIsolated ? "shared memory" : "messages");
const served = /^\/(isolated\/)?(examples\/.*)$/.exec(location.pathname);   // by examples/serve.mjs
if (served !== null) {
  const link = Object.assign(document.createElement("a"), {
    href: served[1] === undefined ? `/isolated/${served[2]}` : `/${served[2]}`,
    textContent: crossOriginIsolated ? "the same page without the headers" : "the same page with COOP and COEP headers",
  });
  at("other").append(link);
}
at("workers").addEventListener("input", () => show("count", at("workers").value));
at("workers").addEventListener("change", () => void draw());
at("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  void draw();
});
at("stop").addEventListener("click", () => void pool.shutdown());
await draw();
