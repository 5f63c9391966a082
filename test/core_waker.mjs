// A thread of core_inbox.test.ts: posts wakes until it has posted its share.
import { parentPort, workerData } from "node:worker_threads";

const { bytes, memory, heap, a, units, wakes, tickets, done, seed } = workerData;
const core = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
core.heapAttach(heap);

let state = seed | 1;
const below = (limit) => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
};

parentPort.once("message", () => {
  for (let i = 0; i < wakes; i++) {
    const unit = below(units);
    Atomics.add(tickets, unit, 1);
    core.wakeRemote(a, unit);
    // Pauses of all lengths, so that the owner parks at every point of this loop.
    if (below(64) === 0) for (let spins = below(20_000); spins > 0; spins--) Atomics.load(done, 0);
  }
  Atomics.add(done, 0, 1);
  core.unpark(a);
});
parentPort.postMessage("ready");
