// A thread of core_region.test.ts: makes and frees arenas, and checks that nobody else writes to its own.
import { parentPort, workerData } from "node:worker_threads";

const { bytes, memory, heap, rounds } = workerData;
const core = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
core.heapAttach(heap);

parentPort.once("message", () => {
  const arenas = [];
  for (let round = 0; round < rounds; round++) {
    if (arenas.length > 4) core.arenaFree(arenas.shift());
    const a = core.arenaNew(64 << round % 3);
    for (let i = 0; i < 200; i++) if (core.spawn(a) < 0 && core.unitsGrow(a) === 1) core.spawn(a);
    core.timersGrow(a);
    core.timerInsert(a, round + 1, 0);
    arenas.push(a);
    for (const arena of arenas) {
      if (core.ready(arena) !== 200 || core.live(arena) !== 200) throw new Error(`round ${round}: ${core.ready(arena)} ready, ${core.live(arena)} live`);
    }
  }
  parentPort.postMessage(arenas);
});
parentPort.postMessage([]);
