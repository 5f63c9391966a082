// The floor: a worker that waits for a word to change and answers in the next.
import { workerData } from "node:worker_threads";

const words = new Int32Array(workerData);
for (let seen = 0; ; seen++) {
  Atomics.wait(words, 0, seen);
  Atomics.store(words, 1, seen + 1);
  Atomics.notify(words, 1);
}
