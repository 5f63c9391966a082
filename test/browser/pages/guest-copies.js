// Two copies of the package in one page, each with its own guest: poll tasks, blocking stacks and threads, at once; and what one waits for
// of the other.
import { Runtime } from "/dist/index.js";
import { attach } from "/dist/guest.js";
import { Runtime as OtherRuntime } from "/copy/dist/index.js";
import { attach as otherAttach } from "/copy/dist/guest.js";
import { bytes, exercise } from "./guest.js";
import createThreads from "/test/guests/fixtures/guest-threads.mjs";

/** fib(3) in threads, + 100; by Emscripten's own glue, of which there are two instances as well. */
async function fib(guest) {
  return guest.task(guest.exports._fib_spawn(3));
}

export default async function guestCopies() {
  const [mine, theirs] = [new Runtime(), new OtherRuntime()];
  const first = await attach(mine, await bytes("guest-clang.wasm"), { name: "first", stackBytes: 16384 });
  const second = await otherAttach(theirs, await bytes("guest-clang.wasm"), { name: "second", stackBytes: 16384 });
  const exercised = await Promise.all([first, second].map((guest) => exercise(guest, (name) => guest.exports[name])));
  const threads = await Promise.all([attach(mine, createThreads), otherAttach(theirs, createThreads)]);
  const fibs = await Promise.all(threads.map(fib));
  // A task of the one's guest waits for a task of the other's.
  const { yield_fn, yielder_new } = first.exports;
  const handle = first.spawn(yield_fn(), yielder_new(3));
  const awaited = await second.task(second.exports.awaiter_spawn(second.expose(handle.then((value) => value * 100))));
  let refused = "";
  try {
    otherAttach(mine, new ArrayBuffer(8));
  } catch (error) {
    refused = error.message;
  }
  first.detach();                                              // the other one goes on
  const after = await second.spawn(second.exports.yield_fn(), second.exports.yielder_new(2));
  await Promise.all([mine.shutdown(), theirs.shutdown()]);
  return { areTwo: Runtime !== OtherRuntime, exercised, fibs, awaited, refused, after };
}
