// The page around stars.rs: draws what the tasks have done, once a frame, and waits for the task that connects.
import { Runtime } from "../../dist/index.js";
import { attach, guestIo } from "../../dist/guest.js";
import { grouped, nextFrame, painter, play, show } from "../guest-page.js";

const STARS = 20_000;
const FRAMES = 120;

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
  show("tasks", grouped(runtime.metrics().tasksAlive));

  const paint = painter();
  for (let frame = 1; frame <= FRAMES; frame++) {
    await nextFrame();
    paint(memory.buffer, render());
    show("frames", String(frame));
    show("changes", grouped(changes()));
  }
  await connected;
  const outcome = new TextDecoder().decode(new Uint8Array(memory.buffer, text(), text_length()));
  show("text", outcome);
  if (outcome.startsWith("failed")) throw new Error(outcome);
  guest.detach();
  if (runtime.metrics().tasksAlive !== 0) throw new Error("detaching has left tasks");
}

await play(main);
