// The entry of the consumer's own worker, bundled by whatever bundles the page.
import { sleep, spawn } from "tokiwa";
import { expose, send } from "tokiwa/threads";

expose({
  add: (a, b) => a + b,
  *fib(n) {
    if (n < 2) return n;
    const left = spawn(send("fib"), n - 1);
    const right = spawn(send("fib"), n - 2);
    return (yield* left) + (yield* right);
  },
  size: (bytes) => bytes.length,
  fail() {
    throw Object.assign(new RangeError("mine"), { code: "E_MINE" });
  },
  async count(lock, times) {
    for (let i = 0; i < times; i++) {
      const guard = await lock.lock();
      guard.value++;
      guard.unlock();
    }
  },
  async speak(out, count) {
    for (let n = 1; n <= count; n++) {
      await sleep(1);
      await out.send(n);
    }
    out.close();
  },
});
