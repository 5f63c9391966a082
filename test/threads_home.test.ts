// Locks and permits on the thread that made them, where there is no shared memory.
import { expect, test, vi } from "vitest";
import { SharedMutex } from "../bindings/threads/shared-mutex.ts";
import { SharedSemaphore } from "../bindings/threads/shared-sync.ts";

vi.stubGlobal("SharedArrayBuffer", undefined);             // before anybody has asked for it

function codeOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    const { name, code } = error as { name: string; code: string };
    return [name, code];
  }
}

test("a mutex and a semaphore: what does not wait works at home", () => {
  expect(typeof SharedArrayBuffer).toBe("undefined");
  const mutex = new SharedMutex(1);
  const gate = new SharedSemaphore(2);
  const guard = mutex.tryLock();
  expect([mutex.isLocked, codeOf(() => mutex.tryLock())]).toEqual([true, ["TryLockError", "TOKIWA_LOCKED"]]);
  guard.value = 2;
  guard.unlock();
  expect([mutex.isLocked, mutex.tryLock().value]).toEqual([false, 2]);
  const permit = gate.tryAcquireMany(2);
  expect([gate.availablePermits, gate.isClosed, codeOf(() => gate.tryAcquire())]).toEqual([0, false, ["TryAcquireError", "TOKIWA_NO_PERMITS"]]);
  permit.release();
  gate.close();
  expect([gate.availablePermits, gate.isClosed, codeOf(() => gate.tryAcquire())]).toEqual([2, true, ["TryAcquireError", "TOKIWA_CLOSED"]]);
});
