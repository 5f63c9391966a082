// The page around mandelbrot.ts: starts it, and shows the picture as it grows.
import { Runtime } from "../../dist/index.js";
import { attach, guestIo } from "../../dist/guest.js";
import { nextFrame, painter, play, show } from "../guest-page.js";

const ROWS = 360;

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

  const paint = painter();
  for (let frame = 0, last = false; !last; frame++) {
    await nextFrame();
    last = rows() === ROWS;
    paint(memory.buffer, pixelsAt());
    show("rows", String(rows()));
    show("frames", String(frame));
  }
  if (painted !== undefined && (await painted) !== (ROWS * (ROWS - 1)) / 2) throw new Error("a row is missing");
  if (downloaded !== undefined) await downloaded;
  show("took", blocks() ? `${milliseconds().toFixed(0)} ms` : "-");
  show("fetched", `${bytesFetched()} bytes, read in AssemblyScript`);
  guest.detach();
}

await play(main);
