// fib(4), each call with n > 1 on a thread that it makes inside of its caller's; then fib(27) by nested spawns on two
// workers, where a task that waits for another holds nobody up.
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

function* fib(n, cutOff) {
  const plain = (k) => (k < 2 ? k : plain(k - 1) + plain(k - 2));
  if (n < cutOff) return plain(n);
  const left = tokiwa.spawn(tokiwa.send(fib), n - 1, cutOff);
  const right = yield* fib(n - 2, cutOff);
  return (yield* left) + right;
}

export default {
  title: "fib(4) by threads in threads, fib(27) by nested spawns on two workers",
  async run(print) {
    const thread = new Thread();
    try {
      const small = await thread.exec(fibOnThreads, 4);
      print(`fib(4) = ${small}`);
    } finally {
      thread.terminate();
    }
    const large = await run(async () => spawn(send(fib), 27, 20), { flavor: "multi-thread", workerThreads: 2 });
    print(`fib(27) = ${large}`);
  },
  check: (lines) => (lines.join() === "fib(4) = 3,fib(27) = 196418" ? undefined : `printed ${lines.join()}`),
};
