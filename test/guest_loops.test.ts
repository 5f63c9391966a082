// Loops that several threads of a guest run (B5): one C source, built by emcc with and without -pthread.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Runtime } from "tokiwa";
import type { Guest } from "tokiwa/guest";
import { send, Thread } from "tokiwa/threads";
import { loadLoops, startLoop, until, type Calls } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

const EINVAL = -1, ESTALE = -3, EWOULDBLOCK = -4, ECLOSED = -7, ENOSYS = -10, EBUSY = -11, EDEADLK = -12;

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });   // threads start slowly on a busy machine

const builds = { "one thread": "guest-loops.mjs", "pthreads": "guest-pthread.js" } as const;

describe.each(Object.entries(builds))("one source, %s", (build, file) => {
  let guest: Guest;
  let call: Calls;
  let loop: number;
  beforeAll(async () => {
    const made = await startLoop(file);
    ({ guest, call, loop } = made);
    return made.end;
  });
  beforeEach(() => call.reset!());

  test("the main thread's task joins tasks of the loop", async () => {
    expect(await guest.task(call.join_yielders!(loop, 100, 100))).toBe(700);
    expect(call.counter_get!()).toBe(10_000);
    expect(call.ended_get!()).toBe(100);
    expect(call.loop_alive!(loop)).toBe(0);
  });

  test("tasks spawn tasks on their loop, and join them", async () => {
    expect(await guest.task(call.tree_on!(loop, 12))).toBe(2 ** 13 - 1);
  });

  test("a token goes round: no wake is lost, from whichever thread", async () => {
    for (const [n, rounds, tokens] of [[2, 20_000, 1], [50, 1000, 7], [300, 100, 300]] as const) {
      call.reset!();
      await guest.task(call.ring_spawn!(loop, n, rounds, tokens));
      expect(call.counter_get!()).toBeGreaterThanOrEqual(n * rounds);
    }
  }, 60_000);

  test("timers never fire early", async () => {
    const sleepers = Array.from({ length: 200 }, (_, i) => guest.task(call.sleeper_on!(loop, (i * 7) % 60)));
    expect((await Promise.all(sleepers)).every((result) => result === 5)).toBe(true);
    expect([call.ended_get!(), call.early_get!()]).toEqual([200, 0]);
  });

  test("spawned, woken, aborted and joined at random, every task is polled by one thread at a time and dies once", async () => {
    const seed = Number(process.env["SEED"] ?? Date.now() & 0xffff);
    const tasks = build === "pthreads" ? 200 : 50;
    expect(call.chaos_start!(loop, tasks, 2000, seed)).toBe(tasks);
    const end = Date.now() + 40_000;
    while (call.loop_alive!(loop) > 0 && Date.now() < end) await new Promise((done) => setTimeout(done, 5));
    expect({ seed, alive: call.loop_alive!(loop), ended: call.ended_get!(), twice: call.twice_get!(), died: call.died_get!() }).toEqual({ seed, alive: 0, ended: tasks, twice: 0, died: call.born_get!() });
    expect(call.born_get!()).toBeGreaterThan(tasks * 500);    // more than there are slots: they are used again
  }, 60_000);

  test("a task of the loop wakes one of the main thread", async () => {
    expect(await Promise.all(Array.from({ length: 20 }, () => guest.task(call.told_spawn!(loop))))).toEqual(Array(20).fill(11));
  });

  test("an abort is a task's last poll, and takes its timer back", async () => {
    const tasks = [call.never_on!(loop), call.sleeper_on!(loop, 100_000)];
    const handles = tasks.map((task) => guest.task(task));
    await new Promise((done) => setTimeout(done, 20));
    for (const task of tasks) expect(call.abort_task!(task)).toBe(1);
    for (const handle of handles) await expect(handle).rejects.toThrow("cancelled");
    expect(call.ended_get!()).toBe(1100);
    for (const task of tasks) expect([call.abort_task!(task), call.is_live!(task)]).toEqual([ESTALE, 0]);
  });

  test("a trap ends one task, and the threads go on", async () => {
    await expect(guest.task(call.trap_on!(loop))).rejects.toThrow("trapped");
    expect(await guest.task(call.join_yielders!(loop, 20, 5))).toBe(140);
  });

  test("null and foreign functions, loops that are none, and a task that waits for itself", async () => {
    expect(call.null_on!(loop)).toBe(EINVAL);
    if (build === "one thread") expect(call.wild_on!(loop)).toBe(EINVAL);
    else expect([call.wild_on!(loop), call.loop_stop!(loop + 8), call.loop_runners!(0), call.yielder_on!(12, 1)]).toEqual([EINVAL, EINVAL, EINVAL, EINVAL]);
    expect(call.loop_run!(loop)).toBe(EWOULDBLOCK);            // the main thread may not wait
    expect(await guest.task(call.self_join_on!(loop))).toBe(1000 + EDEADLK);
  });

  test("inside of a task nothing blocks", async () => {
    expect(await guest.task(call.blocking_on!(loop))).toBe(1000 + EWOULDBLOCK);
  });
});

describe("with pthreads", () => {
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  let loop: number;
  beforeEach(async () => {
    const made = await loadLoops(builds.pthreads);
    ({ runtime, guest, call } = made);
    loop = call.loop_new!();
    return made.end;
  });

  test("tasks move between threads, and every poll is counted once", async () => {
    expect(call.loop_start!(loop, 4)).toBe(4);
    await until(() => call.loop_runners!(loop) === 4);
    let moved = 0;
    for (let round = 0; round < 20 && moved === 0; round++) {  // one thread may do everything while the host holds the others, once
      call.reset!();
      for (let i = 0; i < 5; i++) expect(call.yielders_on!(loop, 1000, 200)).toBe(1000);
      await until(() => call.loop_alive!(loop) === 0);
      expect([call.counter_get!(), call.ended_get!()]).toEqual([1_000_000, 5000]);
      moved = call.moved_get!();
    }
    expect(moved).toBeGreaterThan(0);
  }, 60_000);

  test("nothing is lost when threads come and go", async () => {
    call.yielders_on!(loop, 500, 400);
    expect(call.loop_alive!(loop)).toBe(500);                  // nobody runs it yet
    call.loop_start!(loop, 4);
    const second = call.loop_new!();
    call.loop_start!(second, 1);
    expect(await guest.task(call.join_yielders!(second, 50, 10))).toBe(350);
    await until(() => call.loop_alive!(loop) === 0);
    expect([call.counter_get!(), call.ended_get!()]).toEqual([200_500, 550]);
    expect(call.loop_stop!(loop)).toBe(1);
    await until(() => call.loop_runners!(loop) === 0);
    expect(call.loop_runners!(second)).toBe(1);
  }, 60_000);

  test("a pthread outside of a loop sleeps, joins and blocks", async () => {
    call.loop_start!(loop, 2);
    call.waiter_start!(loop);
    await until(() => call.counter_get!() > 1000);
    expect(call.counter_get!()).toBe(1 + 50 + 7000);
  });

  test("of two threads that join a task one has its result, and the other is told", async () => {
    call.loop_start!(loop, 1);
    call.rivals_start!(call.sleeper_on!(loop, 50));
    await until(() => call.joined_get!(0) !== 0 && call.joined_get!(1) !== 0);
    expect([call.joined_get!(0), call.joined_get!(1)].sort()).toEqual([100 + 1, 100 + ESTALE].sort());
  });

  test("what belongs to the main thread is not to be had in a loop", async () => {
    call.loop_start!(loop, 1);
    expect(await guest.task(call.foreign_on!(loop))).toBe(1000 + 2 * ENOSYS);
  });

  test("a thread of ours wakes the guest's tasks, the main thread's and a loop's", async () => {
    call.loop_start!(loop, 1);
    using thread = new Thread();
    const wake = send((waker: { wake(): void }, times: number) => {
      for (let i = 0; i < times; i++) waker.wake();
    });
    const own = call.polls_spawn!(0);
    const shared = call.polls_spawn!(loop);
    await until(() => call.polls_get!(0) === 1 && call.polls_get!(1) === 1);
    for (const [which, task] of [own, shared].entries()) {
      await thread.exec(wake, guest.waker(task), 1);
      await until(() => call.polls_get!(which) === 2);
      await thread.exec(wake, guest.waker(task), 5000);        // more than the box holds: they are one wake, or a few
      await until(() => call.polls_get!(which) > 2);
      expect(call.abort_task!(task)).toBe(1);
      await thread.exec(wake, guest.waker(task), 10);          // too late: nothing happens
    }
  });

  test("handles of JavaScript: the result, a second join, and dropping one aborts", async () => {
    call.loop_start!(loop, 2);
    const task = call.yielder_on!(loop, 10);
    await until(() => call.is_live!(task) === 0);
    expect(await guest.task(task)).toBe(7);                    // it had ended before
    await expect(guest.task(task)).rejects.toThrow("joined by somebody else");
    const never = call.never_on!(loop);
    guest.task(never).abort();
    await until(() => call.is_live!(never) === 0);
  });

  test.skipIf(!hasJspi)("blocking code of the main thread joins a task of a loop", async () => {
    call.loop_start!(loop, 1);
    expect(await guest.task(call.blocking_join!(loop))).toBe(5);
  });

  test("after detach() the threads leave, and every call is refused", async () => {
    call.loop_start!(loop, 3);
    await until(() => call.loop_runners!(loop) === 3);
    call.yielders_on!(loop, 100, 1_000_000);
    const task = guest.task(call.never_on!(loop));
    guest.detach();
    expect(call.yielder_on!(loop, 1)).toBe(ECLOSED);
    expect(call.loop_new!()).toBe(0);
    await expect(task).rejects.toThrow("cancelled");
    await runtime.shutdown({ timeout: 1000 });
  });
});

describe("memory of loops", () => {
  let guest: Guest;
  let call: Calls;
  beforeEach(async () => {
    const made = await loadLoops(builds.pthreads);
    ({ guest, call } = made);
    return made.end;
  });

  test("10 000 loops are made and freed in the memory of one, and their tasks end", () => {
    const cycle = (): void => {
      const loop = call.loop_new!();
      const never = call.never_on!(loop);
      call.yielders_on!(loop, 3, 5);
      expect([call.loop_alive!(loop), call.loop_free!(loop)]).toEqual([4, 1]);
      call.detach_task!(never);
    };
    cycle();
    const used = call.heap_used!();
    for (let i = 0; i < 10_000; i++) cycle();
    expect(call.heap_used!()).toBe(used);
    expect(call.ended_get!()).toBe(100 * 10_001);              // the last poll of each that waited
  });

  test("a loop is freed when its threads have left, and its handles still say how its tasks ended", async () => {
    const loop = call.loop_new!();
    call.loop_start!(loop, 2);
    await until(() => call.loop_runners!(loop) === 2);
    expect(call.loop_free!(loop)).toBe(EBUSY);
    const itself = guest.task(call.free_itself_on!(loop));
    await expect(itself).resolves.toBe(1000 + EBUSY);
    const [joined, trapping, done] = [call.never_on!(loop), call.trap_on_last_poll!(loop), call.yielder_on!(loop, 0)];
    const handle = guest.task(joined);
    await until(() => call.is_live!(done) === 0);
    call.loop_stop!(loop);
    await until(() => call.loop_runners!(loop) === 0);
    expect(call.loop_free!(loop)).toBe(1);
    await expect(handle).rejects.toThrow("cancelled");
    await expect(guest.task(trapping)).rejects.toThrow("trapped");
    expect(await guest.task(done)).toBe(7);
    expect([call.loop_free!(loop), call.loop_free!(8), call.loop_stop!(loop), call.loop_runners!(loop), call.yielder_on!(loop, 1)]).toEqual(Array(5).fill(EINVAL));
    expect(call.loop_new!()).toBe(loop);                       // used again
  });

  test("loops that are freed under threads that run them, spawn there and wake what was there", async () => {
    const seed = Number(process.env["SEED"] ?? Date.now() & 0xffff);
    call.churn_start!(3000, seed);
    const end = Date.now() + 40_000;
    while (call.churning_get!() > 0 && Date.now() < end) await new Promise((done) => setTimeout(done, 5));
    expect({ seed, churning: call.churning_get!(), died: call.died_get!() }).toEqual({ seed, churning: 0, died: call.born_get!() });
    expect(call.foreign_runs_get!()).toBeGreaterThan(0);
    expect(call.refused_get!()).toBeGreaterThan(0);
  }, 60_000);

  test("after detach() everything but the root is given back, when the last thread is out", async () => {
    const before = call.heap_used!();
    const loops = Array.from({ length: 3 }, () => call.loop_new!());
    for (const loop of loops) call.loop_start!(loop, 1);
    await until(() => loops.every((loop) => call.loop_runners!(loop) === 1));
    for (const loop of loops) for (let i = 0; i < 1000; i++) call.never_on!(loop);
    expect(call.heap_used!() - before).toBeGreaterThan(100_000);
    guest.detach();
    await until(() => call.heap_used!() - before < 8192);
  }, 60_000);

  test("a pthread that waits leaves at detach()", async () => {
    call.waiter_start!(call.loop_new!());                      // nobody runs that loop: it waits for ever
    const used = call.heap_used!();
    await new Promise((done) => setTimeout(done, 50));
    expect(call.counter_get!()).toBe(0);
    guest.detach();
    await until(() => call.ended_get!() % 1000 === 1 && call.heap_used!() < used);
  }, 60_000);
});

test("the process ends after detach()", async () => {
  const program = fileURLToPath(new URL("guests/process-pthread.mjs", import.meta.url));
  const result = await new Promise((resolve) => execFile(process.execPath, [program], { timeout: 50_000 }, (error, output) => resolve({ code: error?.code ?? 0, output })));
  expect(result).toEqual({ code: 0, output: "350\n" });
}, 60_000);

test("a waker for other threads needs a guest in shared memory", async () => {
  await using runtime = new Runtime();
  const { guest, call } = await loadLoops(builds["one thread"], runtime);
  expect(() => guest.waker(call.never_on!(call.loop_new!()))).toThrow("-pthread");
});
