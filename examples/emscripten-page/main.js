// The page around particles.c: wakes the tasks once a frame, drives the runtime, draws, and plots how long that took.
import { Runtime } from "../../dist/index.js";
import { attach, guestIo } from "../../dist/guest.js";
import { element, grouped, nextFrame, painter, play, show } from "../guest-page.js";
import createParticles from "./particles.mjs";

const TASKS = 100_000;
const FRAMES = 240;
const ECHOES = 60;
const FRAME_MS = 1000 / 60;

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** The last frames as bars: the whole frame, and the drive's part of it. */
function plot(context, frames, drives) {
  const { width, height } = context.canvas;
  const scale = height / (3 * FRAME_MS);
  context.clearRect(0, 0, width, height);
  const bar = width / FRAMES;
  frames.forEach((ms, at) => {
    context.fillStyle = "#8fb8a2";
    context.fillRect(at * bar, height - ms * scale, bar - 0.5, ms * scale);
    context.fillStyle = "#2c7a51";
    context.fillRect(at * bar, height - drives[at] * scale, bar - 0.5, drives[at] * scale);
  });
  context.fillStyle = "#c0533b";
  context.fillRect(0, height - FRAME_MS * scale, width, 1);
}

async function main() {
  const runtime = new Runtime({ lane: "manual" });
  const guest = await attach(runtime, createParticles, { name: "particles", io: guestIo() });
  const { _start, _wake_all, _render, _moves_get, _start_fetch, _start_echo, _echo_ms, _address_at, HEAPU8 } = guest.exports;
  show("tasks", grouped(_start(TASKS)));
  const fetched = guest.task(_start_fetch());
  void fetched.then((bytes) => show("fetched", `${bytes} bytes, read in C`));
  const address = `${location.origin.replace("http", "ws")}/echo\0`;
  new TextEncoder().encodeInto(address, HEAPU8.subarray(_address_at()));
  const echoed = guest.task(_start_echo(ECHOES));
  void echoed.then((rounds) => show("echoed", `${rounds} messages, ${_echo_ms().toFixed(1)} ms there and back`));

  const paint = painter();
  const chart = element("plot").getContext("2d");
  const frames = [];
  const drives = [];
  let last = performance.now();
  while (frames.length < FRAMES) {
    await nextFrame();
    const now = performance.now();
    frames.push(now - last);
    last = now;
    _wake_all();
    while (runtime.drive({ ms: 50 }).more);
    drives.push(performance.now() - now);
    paint(guest.exports.HEAPU8.buffer, _render());
    plot(chart, frames, drives);
    show("polls", grouped(_moves_get()));
    show("frame", `${median(frames).toFixed(1)} ms`);
    show("drive", `${median(drives).toFixed(2)} ms, ${((median(drives) * 1e6) / TASKS).toFixed(0)} ns a task`);
  }
  if ((await fetched) < 1000 || (await echoed) !== ECHOES) throw new Error("the fetch or the WebSocket failed");
  if (_moves_get() < TASKS * FRAMES) throw new Error("a task was not polled in every frame");
  guest.detach();
}

await play(main);
