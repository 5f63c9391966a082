// The page around mandelbrot.ts: starts it, and shows the picture as it grows.
import { Runtime } from "../../dist/index.js";
import { attach, guestIo } from "../../dist/guest.js";

const ROWS = 360;

const element = (id) => document.getElementById(id);
const show = (id, text) => {
  element(id).textContent = text;
};

async function main() {
  const runtime = new Runtime({ timeSlice: 4 });
  const bytes = await (await fetch("mandelbrot.wasm")).arrayBuffer();
  const abort = () => {
    throw new Error("the guest has aborted");
  };
  const guest = await attach(runtime, bytes, { name: "mandelbrot", io: guestIo(), imports: { env: { abort } } });
  const { memory, pixelsAt, rows, milliseconds, bytesFetched, blocks, start, startDownload } = guest.exports;
  show("style", blocks() ? "blocking code (JSPI)" : "poll functions");
  const painting = start();
  const painted = painting < 0 ? undefined : guest.task(painting);
  const download = startDownload();
  const downloaded = download < 0 ? undefined : guest.task(download);

  const picture = element("picture").getContext("2d");
  const image = picture.createImageData(640, 360);
  for (let frame = 0, last = false; !last; frame++) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    last = rows() === ROWS;
    image.data.set(new Uint8ClampedArray(memory.buffer, pixelsAt(), image.data.length));
    picture.putImageData(image, 0, 0);
    show("rows", String(rows()));
    show("frames", String(frame));
  }
  if (painted !== undefined && (await painted) !== (ROWS * (ROWS - 1)) / 2) throw new Error("a row is missing");
  if (downloaded !== undefined) await downloaded;
  show("took", blocks() ? `${milliseconds().toFixed(0)} ms` : "-");
  show("fetched", `${bytesFetched()} bytes, read in AssemblyScript`);
  guest.detach();
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
