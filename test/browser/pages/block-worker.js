// A worker of the page's own, which may block: what blockOn() can wait for there, and what not.
import { fromPromise, Runtime, sleep } from "/dist/index.js";
import { send, SharedMutex, sharedChannel, Thread } from "/dist/threads.js";

const codeOf = (fn) => {
  try {
    return fn();
  } catch (error) {
    return error.code;
  }
};

async function found() {
  const runtime = new Runtime();
  const multi = new Runtime({ flavor: "multi-thread", workerThreads: 1 });
  const double = send((n) => n * 2);
  for (let i = 0; i < 3; i++) await multi.spawn(double, i);                // its worker runs, and knows the function
  const mutex = new SharedMutex("before");
  const [tx, rx] = sharedChannel(2);
  const thread = new Thread();
  await thread.exec((m, s) => {
    const guard = m.tryLock();
    setTimeout(() => {
      guard.value = "after";
      guard.unlock();
      for (let i = 0; i < 5; i++) s.blockingSend(i);
      s.close();
    }, 50);
  }, mutex, tx);
  tx.close();
  const all = {
    mutex: runtime.blockOn(function* () { const guard = yield* mutex.lock(); guard.unlock(); yield* sleep(1); return guard.value; }),
    channel: runtime.blockOn(function* () { let sum = 0; for (let n = yield* rx.recv(); n !== undefined; n = yield* rx.recv()) sum += n; return sum; }),
    job: multi.blockOn(function* () { return yield* multi.spawn(double, 21); }),
    jobs: multi.blockOn(function* () { let sum = 0; for (let i = 0; i < 100; i++) sum += yield* multi.spawn(double, i); return sum; }),
    byMessage: codeOf(() => runtime.blockOn(function* () { return yield* thread.exec((n) => n, 1); })),
    largeResult: codeOf(() => multi.blockOn(function* () { return yield* multi.spawn(send((n) => ({ n })), 1); })),
    promise: codeOf(() => runtime.blockOn(function* () { yield* fromPromise(new Promise(() => {})); })),
  };
  all.usable = await multi.spawn(double, 4);
  thread.terminate();
  return all;
}

found().then((value) => postMessage(value), (error) => postMessage(String(error?.stack ?? error)));
