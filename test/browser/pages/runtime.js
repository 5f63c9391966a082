// What is different about the runtime in a page: no async context, frames, a main thread that must not be held.
import { currentTask, future, Instant, PENDING, Runtime, sleep, spawn, yieldNow } from "/dist/index.js";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const programs = {
  /** An async function is aborted where it waits on us; its finally block runs. */
  async abortAsync() {
    const trace = [];
    const handle = spawn(async () => {
      try {
        await sleep(1);
        trace.push("first");
        await sleep(1e9);
      } finally {
        trace.push("finally");
      }
    });
    await pause(50);
    handle.abort("why");
    const result = await handle.result();
    return { trace, status: result.status, cause: result.reason.cause };
  },

  /** After an await of something foreign the task is not known any more, but own() reaches it. */
  async own() {
    const trace = [];
    const handle = spawn(async () => {
      const me = currentTask();
      await pause(1);
      try {
        await me.own(sleep(1e9));
      } catch (error) {
        trace.push(error.code);
        throw error;
      }
    });
    await pause(50);
    handle.abort();
    return { trace, status: (await handle.result()).status };
  },

  /** The task is known through awaits of our own futures, also with several tasks that take turns. */
  async current() {
    const body = async () => {
      const { id } = currentTask();
      for (let i = 0; i < 20; i++) {
        await (i % 3 ? yieldNow() : sleep(1));
        if (currentTask().id !== id) return "mixed up";
      }
      return "own";
    };
    return Promise.all([spawn(body), spawn(body), spawn(body)]);
  },

  async lanes() {
    const ran = {};
    for (const lane of ["auto", "microtask", "macrotask", "frame"]) {
      const runtime = new Runtime({ lane });
      ran[lane] = await runtime.spawn(async () => {
        await sleep(1);
        await yieldNow();
        return lane;
      });
      await runtime.shutdown();
    }
    const manual = new Runtime({ lane: "manual" });
    let polls = 0;
    manual.spawn(function* () { for (let i = 0; i < 3; i++) { polls++; yield* yieldNow(); } });
    await pause(30);
    const before = polls;
    manual.drive({ ms: 60_000 });
    ran.manual = [before, polls];
    await manual.shutdown();
    return ran;
  },

  /** Frames go on while a task on lane frame yields for ever: one drive for each. */
  async frames() {
    const runtime = new Runtime({ lane: "frame", timeSlice: 2 });
    const busy = runtime.spawn(function* () { for (;;) yield* yieldNow(); });
    let frames = 0;
    while (frames < 20) {
      await new Promise((resolve) => requestAnimationFrame(resolve));
      frames++;
    }
    const { drives } = runtime.metrics();
    busy.abort();
    await runtime.shutdown();
    return { frames, drives };
  },

  /** What the page gets done in a second beside a task that yields for ever. */
  async fair() {
    const runtime = new Runtime();
    const busy = runtime.spawn(function* () { for (;;) yield* yieldNow(); });
    const seen = { frames: 0, timers: 0, messages: 0 };
    let isOver = false;
    const frame = () => { seen.frames++; if (!isOver) requestAnimationFrame(frame); };
    const tick = () => { seen.timers++; if (!isOver) setTimeout(tick, 10); };
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { seen.messages++; if (!isOver) channel.port2.postMessage(0); };
    frame();
    tick();
    channel.port2.postMessage(0);
    await runtime.run(async () => { await sleep(1000); });
    isOver = true;
    busy.abort();
    channel.port1.close();
    await runtime.shutdown();
    return seen;
  },

  /** A million ready tasks: how long the page was held, by its own account and by the gaps between its turns. */
  async slices() {
    const runtime = new Runtime({ timeSlice: 4, capacity: 1 << 20 });
    let done = 0;
    const one = () => void done++;
    for (let i = 0; i < 1_000_000; i++) runtime.spawn(one);
    const gaps = [];
    let last = performance.now();
    const channel = new MessageChannel();
    await new Promise((resolve) => {
      channel.port1.onmessage = () => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
        if (done === 1_000_000) resolve();
        else channel.port2.postMessage(0);
      };
      channel.port2.postMessage(0);
    });
    channel.port1.close();
    gaps.sort((a, b) => a - b);
    const { longestSlice, drives } = runtime.metrics();
    const busy = runtime.spawn(function* () { for (;;) yield* yieldNow(); });
    let timer = Infinity;                                  // the shortest of some: the host may hold the page
    for (let tries = 10; tries > 0 && timer > 100; tries--) {
      const start = performance.now();
      await runtime.spawn(async () => { await sleep(10); });
      timer = Math.min(timer, performance.now() - start);
    }
    busy.abort();
    await runtime.shutdown();
    return { done, turns: gaps.length, median: gaps[gaps.length >> 1], p90: gaps[Math.floor(gaps.length * 0.9)], longestSlice, drives, timer };
  },

  /** blockOn runs what is ready and then refuses to wait. */
  async blockOn() {
    const runtime = new Runtime();
    const trace = [];
    runtime.spawn(() => void trace.push("ready work"));
    const value = runtime.blockOn(function* () { yield* yieldNow(); return 5; });
    const code = (main) => {
      try {
        return runtime.blockOn(main);
      } catch (error) {
        return `${error.name} ${error.code}`;
      }
    };
    const codes = [
      code(function* () { yield* sleep(10); }),
      code(async () => { await sleep(1); }),
      code(function* () { yield* future(() => PENDING); }),
    ];
    const { timers } = runtime.metrics();
    const after = runtime.blockOn(() => "usable");
    await runtime.shutdown();
    return { value, codes, trace, timers, after };
  },

  async clock() {
    const start = Instant.now();
    await sleep(20);
    return start.elapsed() >= 20;
  },
};

export default (name) => programs[name]();
