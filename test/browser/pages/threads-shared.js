// Locks and channels between threads of a page, with and without shared memory.
import { sleep } from "/dist/index.js";
import { SharedBarrier, SharedMutex, SharedNotify, SharedSemaphore, sharedChannel, Thread, ThreadPool } from "/dist/threads.js";

export default async function shared() {
  const found = {};
  const pool = new ThreadPool({ size: 3 });
  const counter = new SharedMutex(0);
  await Promise.all(
    [1, 2, 3].map(() =>
      pool.exec(async (m) => {
        for (let i = 0; i < 100; i++) {
          const guard = await m.lock();
          guard.value++;
          guard.unlock();
        }
      }, counter),
    ),
  );
  const guard = await counter.lock();
  found.counter = guard.value;
  guard.unlock();
  try {
    counter.tryLock().unlock();
    found.tryLock = "locked";
  } catch (error) {
    found.tryLock = error.code;
  }

  found.elsewhere = await pool.exec((m) => {
    try {
      m.tryLock().unlock();
      return "locked";
    } catch (error) {
      return error.code;
    }
  }, counter);

  const gate = new SharedSemaphore(1);
  found.semaphore = await Promise.all([1, 2, 3].map((n) => pool.exec(async (s, k) => {
    const permit = await s.acquire();
    await tokiwa.sleep(1);
    permit.release();
    return k;
  }, gate, n)));

  const barrier = new SharedBarrier(3);
  found.leaders = (await Promise.all([1, 2, 3].map(() => pool.exec(async (b) => (await b.wait()).isLeader, barrier)))).filter(Boolean).length;

  const notify = new SharedNotify();
  notify.notifyOne();
  await pool.exec(async (n) => void (await n.notified()), notify);
  found.notified = true;

  const [tx, rx] = sharedChannel(4);
  const senders = [0, 100].map((from) => pool.exec(async (s, start) => {
    for (let n = start; n < start + 100; n++) await s.send(n);
    s.close();
  }, tx, from));
  tx.close();
  let sum = 0;
  for await (const n of rx) sum += n;
  await Promise.all(senders);
  found.sum = sum;

  const [out, into] = sharedChannel(2);
  const passing = pool.exec(async (s) => {
    const nested = new tokiwa.Thread();
    const theirs = nested.exec(async (s) => {
      const permit = await s.reserve();
      s.close();
      permit.send(3);
    }, s);
    const [one, two] = await s.reserveMany(2);
    one.send(1);
    two.release();
    await theirs;
    nested.terminate();
    await s.sendTimeout(2, 60_000);                        // it is its own, whatever became of the other
    await s.closed();
    return "told";
  }, out);
  out.close();
  const got = [];
  while (got.length < 3) await into.recvMany(got, 3);
  into.close();
  found.passed = [...got.sort(), await passing, await into.recvMany(got, 1)];

  const lost = new SharedMutex("before");
  const thread = new Thread();
  await thread.exec(async (m) => {
    self.kept = await m.lock();
  }, lost);
  const waiting = lost.lock();
  const value = (async () => (await waiting).value)();
  await sleep(20);
  thread.terminate();
  found.released = await value;
  await pool.shutdown();
  return found;
}
