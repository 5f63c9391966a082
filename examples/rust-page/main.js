// The page around stars.rs: draws what the tasks have done, once a frame, and waits for the task that connects.
import { Runtime } from "../../dist/index.js";
import { attach, guestIo } from "../../dist/guest.js";

const STARS = 20_000;
const FRAMES = 120;

const element = (id) => document.getElementById(id);
const show = (id, text) => {
  element(id).textContent = text;
};

async function main() {
  const runtime = new Runtime();
  const bytes = await (await fetch("stars.wasm")).arrayBuffer();
  const guest = await attach(runtime, bytes, { name: "stars", io: guestIo() });
  const { memory, start, render, changes, text, text_length, text_room, connect } = guest.exports;
  start(STARS);

  const address = new TextEncoder().encode(`${location.origin.replace("http", "ws")}/echo`);
  const room = text_room(address.length);
  new Uint8Array(memory.buffer).set(address, room);
  const connected = guest.task(connect());
  show("tasks", runtime.metrics().tasksAlive.toLocaleString("en"));

  const picture = element("picture").getContext("2d");
  const image = picture.createImageData(640, 360);
  for (let frame = 1; frame <= FRAMES; frame++) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    image.data.set(new Uint8ClampedArray(memory.buffer, render(), image.data.length));
    picture.putImageData(image, 0, 0);
    show("frames", String(frame));
    show("changes", changes().toLocaleString("en"));
  }
  await connected;
  const outcome = new TextDecoder().decode(new Uint8Array(memory.buffer, text(), text_length()));
  show("text", outcome);
  if (outcome.startsWith("failed")) throw new Error(outcome);
  guest.detach();
  if (runtime.metrics().tasksAlive !== 0) throw new Error("detaching has left tasks");
}

const status = element("status");
try {
  await main();
  status.textContent = "done";
  status.dataset.state = "done";
} catch (error) {
  status.textContent = String(error);
  status.dataset.state = "failed";
}
