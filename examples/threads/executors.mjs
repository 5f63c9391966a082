// Four threads, one after the other, then at once. Run: node examples/threads/executors.mjs
import { Instant, join } from "tokiwa";
import { Thread } from "tokiwa/threads";

const THREADS = 4;

/** Holds its thread for 100 ms. */
function answer() {
  for (const end = performance.now() + 100; performance.now() < end; );
  return 42;
}

let start = Instant.now();
for (let n = 0; n < THREADS; n++) {
  const thread = new Thread();
  console.log(`serial ${n}:`, await thread.exec(answer));
  thread.terminate();
}
const serialMs = start.elapsed();

start = Instant.now();
const threads = Array.from({ length: THREADS }, () => new Thread());   // all of them start now
const answers = await join(...threads.map((thread) => thread.exec(answer)));
for (const [n, value] of answers.entries()) console.log(`parallel ${n}:`, value);
for (const thread of threads) thread.terminate();
console.log(`serially ${Math.round(serialMs)} ms, at once ${Math.round(start.elapsed())} ms`);
