// How long one drive holds the host while 1 000 000 tasks are ready, with a slice of 4 ms as on a page: all drives,
// and those in which no garbage was collected. CPU time of the thread (Node 24 and later tell, and Linux), else of the
// process with all that its helpers collect and compile beside, so that other programs on the machine do not count; the
// slice itself is wall time.
import { readFileSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";

const TASKS = 1_000_000;
const SLICE_MS = 4;

const usageMs = ({ user, system }) => (user + system) / 1000;
const schedstat = `/proc/self/task/${process.pid}/schedstat`;   // its first number: ns that the thread was on a processor

function chooseClock() {
  if (process.threadCpuUsage !== undefined) return () => usageMs(process.threadCpuUsage());
  try {
    if (Number.parseInt(readFileSync(schedstat, "latin1"), 10) > 0) return () => Number.parseInt(readFileSync(schedstat, "latin1"), 10) / 1e6;
  } catch {
    // not Linux
  }
  return () => usageMs(process.cpuUsage());
}
const cpuMs = chooseClock();

/** Drives to the end. Gives the CPU time of every drive, in ms, and whether garbage was collected in it. */
async function drives() {
  const { Runtime, yieldNow } = await import("../lib/tokiwa.mjs");
  const pauses = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) pauses.push([startTime, startTime + duration]);
  });
  observer.observe({ entryTypes: ["gc"] });
  const runtime = new Runtime({ lane: "manual", timeSlice: SLICE_MS });
  function* work() {
    for (let i = 0; i < 3; i++) yield* yieldNow();
  }
  for (let i = 0; i < TASKS; i++) runtime.spawn(work);
  const slices = [];
  for (let more = true; more; ) {
    const start = performance.now();
    const cpuStart = cpuMs();
    ({ more } = runtime.drive());
    slices.push({ start, ms: cpuMs() - cpuStart, end: performance.now() });
    if (slices.length % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));   // the observer is told later
  observer.disconnect();
  if (runtime.metrics().tasksAlive !== 0) throw new Error("tasks are left");
  return slices.map(({ start, ms, end }) => ({ ms, hasCollected: pauses.some(([from, to]) => from < end && to > start) }));
}

const longest = (values) => values.reduce((a, b) => Math.max(a, b), 0);
const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)];

export default [
  {
    name: "slice_1M_ready",
    unit: `ms of CPU time that a drive takes, with a slice of ${SLICE_MS} ms`,
    kind: "value",
    fresh: true,
    turns: 3,
    base: "longest",
    sides: {
      median: () => ({ run: async () => quantile((await drives()).map(({ ms }) => ms), 0.5) }),
      "99 of 100": () => ({ run: async () => quantile((await drives()).map(({ ms }) => ms), 0.99) }),
      "longest without a collection": () => ({ run: async () => longest((await drives()).filter(({ hasCollected }) => !hasCollected).map(({ ms }) => ms)) }),
      longest: () => ({ run: async () => longest((await drives()).map(({ ms }) => ms)) }),
    },
  },
];
