// C++20 coroutines that go from pthread to pthread (B5): one source, built by em++ with and without -pthread.
import { beforeEach, describe, expect, test, vi } from "vitest";
import { Runtime } from "tokiwa";
import { loadLoops, startLoop, until, type Calls } from "./guests/load.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });   // threads start slowly on a busy machine

const builds = { "one thread": "guest-cpp-threads.mjs", "pthreads": "guest-cpp-pthread.js" } as const;

describe.each(Object.entries(builds))("coroutines of one source, %s", (build, file) => {
  let call: Calls;
  let loop: number;
  beforeEach(async () => {
    const made = await startLoop(file);
    ({ call, loop } = made);
    return made.end;
  });

  const ended = async (): Promise<number> => {
    await until(() => call.done_get!() === 1);
    return call.total_get!();
  };

  test("a tree of coroutines is joined from whichever thread", async () => {
    let moved = 0;
    for (let round = 0; round < 3 || (build === "pthreads" && moved === 0); round++) {
      call.reset!();
      call.start_tree!(loop, 11);
      expect(await ended()).toBe(2 ** 12 - 1);
      moved += call.moved_get!();
    }
    expect(call.guards_get!()).toBe(0);
  });

  test("a channel between threads gives every value once", async () => {
    call.start_exchange!(loop, 4, 3, 2000);
    expect(await ended()).toBe((8000 * 7999) / 2);
  });

  test("when_all, when_any and timers", async () => {
    call.start_combine!(loop, 100);
    expect(await ended()).toBe(100 * 111);
    await until(() => call.guards_get!() === 0);               // what lost is destroyed
  });

  test("a coroutine that yields for ever is aborted, and says so", async () => {
    call.start_aborts!(loop, 500);
    expect(await ended()).toBe(500);
    await until(() => call.guards_get!() === 0);
  });
});

test("a loop that is freed destroys the coroutines it has", async () => {
  await using runtime = new Runtime();
  const { call, end } = await loadLoops(builds.pthreads, runtime);
  const loop = call.loop_new!();
  call.loop_start!(loop, 2);
  call.start_yielders!(loop, 50);
  await until(() => call.guards_get!() === 50);
  call.loop_stop!(loop);
  await until(() => call.loop_runners!(loop) === 0);
  expect([call.loop_free!(loop), call.guards_get!()]).toEqual([1, 0]);
  await end();
});
