// A Mandelbrot set, a task for each row, in AssemblyScript: ordinary loops that yield where they like (JSPI), or the same
// loop cut into polls where blocking code cannot suspend. One more task waits for a request and keeps the time.
//
//   npm i -D assemblyscript && npx asc mandelbrot.ts -O3 --runtime incremental --exportTable -o mandelbrot.wasm
import {
  END, IO_OPEN, IO_READ, Io, READY, Task, YIELD, canBlock, hold, join, lastResult, now, release, sleep, spawn, startBlocking, yieldNow,
} from "tokiwa/assembly";

const WIDTH: i32 = 640;
const HEIGHT: i32 = 360;
const DEPTH: i32 = 200;
/** Pixels between two yields. */
const STEP: i32 = 32;

const pixels = new StaticArray<u32>(WIDTH * HEIGHT);
let rowsDone = 0;
let elapsed: f64 = 0;
let fetched = 0;

export function pixelsAt(): usize { return changetype<usize>(pixels); }
export function rows(): i32 { return rowsDone; }
export function milliseconds(): f64 { return elapsed; }
export function bytesFetched(): i32 { return fetched; }
export function blocks(): bool { return canBlock(); }

function colour(x: i32, y: i32): u32 {
  const cx = (<f64>x - <f64>WIDTH * 0.68) / 210, cy = (<f64>y - <f64>HEIGHT / 2) / 165;
  let zx: f64 = 0, zy: f64 = 0, depth = 0;
  while (depth < DEPTH && zx * zx + zy * zy < 4) {
    const next = zx * zx - zy * zy + cx;
    zy = 2 * zx * zy + cy;
    zx = next;
    depth++;
  }
  if (depth == DEPTH) return 0xff1c140e;
  const light = min<u32>(255, <u32>depth * 9);
  return 0xff000000 | (light << 8) | ((light * 3 / 4) << 16) | (light / 3 + 20);
}

function paint(y: i32, from: i32): void {
  for (let x = from; x < min(from + STEP, WIDTH); x++) pixels[y * WIDTH + x] = colour(x, y);
}

/** Blocking: as one writes it. */
function row(y: usize): i32 {
  for (let x = 0; x < WIDTH; x += STEP) {
    paint(<i32>y, x);
    yieldNow();
  }
  rowsDone++;
  return <i32>y;
}

/** The same in polls. */
class Row {
  x: i32 = 0;
  constructor(readonly y: i32) {}
}

function startRow(y: i32): Task {
  if (canBlock()) return startBlocking(row, y);
  return spawn((arg: usize, self: Task): i32 => {
    const row = changetype<Row>(arg);
    if (self >= 0 && row.x < WIDTH) {
      paint(row.y, row.x);
      row.x += STEP;
      return YIELD;
    }
    rowsDone++;
    release(arg);
    return READY;
  }, hold(new Row(y)));
}

/** Every row, and how long they took; blocking. */
function everything(_: usize): i32 {
  const start = now();
  const tasks = new Array<Task>();
  for (let y = 0; y < HEIGHT; y++) tasks.push(startRow(y));
  let sum = 0;
  for (let i = 0; i < tasks.length; i++) {
    if (join(tasks[i]) != READY) return -1;
    sum += <i32>lastResult();
  }
  elapsed = now() - start;
  return sum;
}

/** The bytes of this file, read while the rows are painted. */
function download(_: usize): i32 {
  const io = Io.fetch("mandelbrot.ts");
  if (io.id < 0 || io.wait(IO_OPEN) < 0) return -1;
  const buffer = new Uint8Array(256);
  for (;;) {
    if (io.wait(IO_READ) < 0) return -2;
    const count = io.read(buffer);
    if (count == END) break;
    fetched += count;
    sleep(1);
  }
  io.close();
  return fetched;
}

/** The task to wait for, or -1 where nothing blocks: rows() then tells. */
export function start(): Task {
  if (!canBlock()) {
    for (let y = 0; y < HEIGHT; y++) startRow(y);
    return -1;
  }
  return startBlocking(everything);
}
export function startDownload(): Task { return canBlock() ? startBlocking(download) : -1; }
