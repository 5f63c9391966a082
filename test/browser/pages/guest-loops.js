// A guest built with -pthread in a page: tasks that move between pthreads, wakes to the main thread and from a thread of ours.
import { Runtime } from "/dist/index.js";
import { attach } from "/dist/guest.js";
import { send, Thread } from "/dist/threads.js";

export default async function guestLoops() {
  const script = document.createElement("script");
  script.src = "/test/guests/fixtures/guest-pthread.js";                  // a classic script: it knows where it is
  await new Promise((resolve, reject) => Object.assign(script, { onload: resolve, onerror: reject }) && document.head.append(script));
  const runtime = new Runtime({ unhandledFailure: "ignore" });
  const guest = await attach(runtime, globalThis.createGuest);
  const call = (name, ...args) => guest.exports[`_${name}`](...args);
  const loop = call("loop_new");
  call("loop_start", loop, 3);
  while (call("loop_runners", loop) < 3) await new Promise((done) => setTimeout(done, 5));
  let sum, counted, moved;
  step("yielders");
  // One thread may do everything while the host holds the others; not a hundred times.
  for (let round = 0; round < 100 && !moved; round++) {
    call("reset");
    sum = await guest.task(call("join_yielders", loop, 1000, 200));
    counted = call("counter_get");
    moved = call("moved_get") > 0;
  }
  step("a tree");
  const tree = await guest.task(call("tree_on", loop, 10));
  call("reset");
  step("a ring");
  await guest.task(call("ring_spawn", loop, 50, 500, 7));
  const wakes = call("counter_get") >= 25_000;
  step("told, timers");
  const told = await guest.task(call("told_spawn", loop));
  const slept = await Promise.all([5, 20, 1].map((ms) => guest.task(call("sleeper_on", loop, ms))));
  step("a thread of ours wakes");
  const task = call("polls_spawn", 0);
  const thread = new Thread();
  while (call("polls_get", 0) < 1) await new Promise((done) => setTimeout(done, 1));
  await thread.exec(send((waker) => waker.wake()), guest.waker(task));
  while (call("polls_get", 0) < 2) await new Promise((done) => setTimeout(done, 1));
  step("the end");
  thread.terminate();
  guest.detach();
  await runtime.shutdown();
  guest.exports.PThread.terminateAllThreads();
  return { sum, counted, moved, tree, wakes, told, slept, early: call("early_get") };
}
