// What crosses threads beside jobs: a counter that two threads count up, and messages from one thread to another.
import { MessageChannel, Worker } from "node:worker_threads";

const at = (path) => new URL(path, import.meta.url);
const COUNTS = 20_000;
const THREADS = 2;
const NUMBERS = 20_000;
const BYTES = 5000;

/** Two threads of ours run `count(what, times)`. */
async function counting(make, count, read) {
  const { ThreadPool } = await import("../../dist/threads.js");
  const what = await make();
  const pool = new ThreadPool({ size: THREADS });
  await Promise.all([pool.exec(count, what, 100), pool.exec(count, what, 100)]);
  return {
    run: async () => {
      const before = await read(what);
      await Promise.all(Array.from({ length: THREADS }, () => pool.exec(count, what, COUNTS)));
      return (await read(what)) - before;
    },
  };
}

const shared = async () => {
  const { SharedMutex } = await import("../../dist/threads.js");
  return new SharedMutex(0);
};
const readShared = async (mutex) => {
  const guard = await mutex.lock();
  const { value } = guard;
  guard.unlock();
  return value;
};
const words = () => new Int32Array(new SharedArrayBuffer(8));

/** Sends `count` messages from a thread of ours; run() receives them here and adds them up. */
async function channel(send, start, count) {
  const { sharedChannel, Thread } = await import("../../dist/threads.js");
  const thread = new Thread();
  return {
    run: async () => {
      const [tx, rx] = sharedChannel(1024);
      const sending = thread.exec(send, tx, count);
      tx.close();
      let sum = 0;
      for await (const message of rx) sum += start(message);
      await sending;
      return sum;
    },
  };
}

/** The same through a MessagePort, which has no backpressure. */
function port(what, start, count) {
  const worker = new Worker(at("./workers/port.mjs"));
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ port: port2 }, [port2]);
  return {
    run: () =>
      new Promise((resolve) => {
        let sum = 0;
        let left = count;
        port1.onmessage = ({ data }) => {
          sum += start(data);
          if (--left === 0) resolve(sum);
        };
        port1.postMessage({ what, count });
      }),
  };
}

const sumTo = (count) => (count * (count - 1)) / 2;

export default [
  {
    name: "shared_counter",
    unit: "increment, by two threads at once",
    ops: COUNTS * THREADS,
    answer: COUNTS * THREADS,
    clock: "wall",
    base: "a lock of raw Atomics",
    sides: {
      "SharedMutex, blocking": () =>
        counting(shared, (mutex, times) => {
          for (let i = 0; i < times; i++) {
            const guard = mutex.blockingLock();
            guard.value++;
            guard.unlock();
          }
        }, readShared),
      "SharedMutex, generator": () =>
        counting(shared, function* (mutex, times) {
          for (let i = 0; i < times; i++) {
            const guard = yield* mutex.lock();
            guard.value++;
            guard.unlock();
          }
        }, readShared),
      "SharedMutex, async": () =>
        counting(shared, async (mutex, times) => {
          for (let i = 0; i < times; i++) {
            const guard = await mutex.lock();
            guard.value++;
            guard.unlock();
          }
        }, readShared),
      "a lock of raw Atomics": () =>
        counting(words, (view, times) => {
          for (let i = 0; i < times; i++) {
            while (Atomics.compareExchange(view, 0, 0, 1) !== 0) Atomics.wait(view, 0, 1);
            view[1]++;
            Atomics.store(view, 0, 0);
            Atomics.notify(view, 0, 1);
          }
        }, (view) => view[1]),
      "Atomics.add": () =>
        counting(words, (view, times) => {
          for (let i = 0; i < times; i++) Atomics.add(view, 1, 1);
        }, (view) => view[1]),
    },
  },
  {
    name: "channel_numbers",
    unit: "number from another thread",
    ops: NUMBERS,
    answer: sumTo(NUMBERS),
    clock: "wall",
    base: "MessagePort",
    sides: {
      "sharedChannel, generator": () =>
        channel(function* (tx, count) {
          for (let n = 0; n < count; n++) yield* tx.send(n);
          tx.close();
        }, (n) => n, NUMBERS),
      "sharedChannel, async": () =>
        channel(async (tx, count) => {
          for (let n = 0; n < count; n++) await tx.send(n);
          tx.close();
        }, (n) => n, NUMBERS),
      "sharedChannel, blocking": () =>
        channel((tx, count) => {
          for (let n = 0; n < count; n++) tx.blockingSend(n);
          tx.close();
        }, (n) => n, NUMBERS),
      MessagePort: () => port("numbers", (n) => n, NUMBERS),
    },
  },
  {
    name: "channel_64_bytes",
    unit: "64 bytes from another thread",
    ops: BYTES,
    answer: BYTES * 64,
    clock: "wall",
    base: "MessagePort",
    sides: {
      "sharedChannel, generator": () =>
        channel(function* (tx, count) {
          for (let n = 0; n < count; n++) yield* tx.send(new Uint8Array(64));
          tx.close();
        }, (bytes) => bytes.length, BYTES),
      "sharedChannel, blocking": () =>
        channel((tx, count) => {
          for (let n = 0; n < count; n++) tx.blockingSend(new Uint8Array(64));
          tx.close();
        }, (bytes) => bytes.length, BYTES),
      MessagePort: () => port("bytes", (bytes) => bytes.length, BYTES),
    },
  },
];
