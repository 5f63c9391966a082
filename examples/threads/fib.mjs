// fib(4), each call with n > 1 on a thread that it makes for itself, inside of the caller's thread; then fib(24) as it
// should be done, by nested spawns on two workers. Run: node examples/threads/fib.mjs
import { run, spawn } from "tokiwa";
import { send, Thread } from "tokiwa/threads";

async function fibOnThreads(n) {
  if (n <= 1) return n;
  const thread = new tokiwa.Thread();
  try {
    return (await thread.exec(fibOnThreads, n - 1)) + (await thread.exec(fibOnThreads, n - 2));
  } finally {
    thread.terminate();
  }
}

const root = new Thread();
console.log("fib(4) =", await root.exec(fibOnThreads, 4));
root.terminate();

/** Below the cut-off a spawn would cost more than the work. */
function* fib(n, cutOff) {
  if (n < cutOff) return plain(n);
  const left = tokiwa.spawn(tokiwa.send(fib), n - 1, cutOff);   // stays here, unless a worker has nothing to do
  const right = yield* fib(n - 2, cutOff);
  return (yield* left) + right;

  function plain(k) {
    return k < 2 ? k : plain(k - 1) + plain(k - 2);
  }
}

await run(async () => console.log("fib(24) =", await spawn(send(fib), 24, 16)), { flavor: "multi-thread", workerThreads: 2 });
