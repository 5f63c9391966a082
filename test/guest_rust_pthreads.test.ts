// Rust futures that go from pthread to pthread (B5), linked into a C page by emcc: bindings/rust/src/loops.rs says how.
import { beforeEach, expect, test, vi } from "vitest";
import { startLoop, until, type Calls } from "./guests/load.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });   // threads start slowly on a busy machine

let call: Calls;
let loop: number;
beforeEach(async () => {
  const made = await startLoop("guest-rust-pthread.js");
  ({ call, loop } = made);
  return made.end;
});

const ended = async (): Promise<number> => {
  await until(() => call.done_get!() === 1);
  return call.total_get!();
};

test("a tree of futures is awaited from whichever thread, and by a task of the main one", async () => {
  let moved = 0;
  for (let round = 0; round < 3 || moved === 0; round++) {
    call.start_tree!(loop, 11);
    expect(await ended()).toBe(2 ** 12 - 1);
    moved += call.moved_get!();
  }
  expect(call.guards_get!()).toBe(0);
});

test("timers are never early, and yields go round", async () => {
  call.start_sleepers!(loop, 500);
  expect(await ended()).toBe(5000);
});

test("a future that yields for ever is aborted, and its handle says so", async () => {
  call.start_aborts!(loop, 500);
  expect(await ended()).toBe(500);
  await until(() => call.guards_get!() === 0);
});

test("block_on() on a pthread waits for a timer and for a task of the loop", async () => {
  call.start_blocker!(loop);
  await until(() => call.blocked_get!() !== 0);
  expect(call.blocked_get!()).toBe(42);
});
