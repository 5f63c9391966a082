// What the tests of AssemblyScript guests run.
import { PENDING, READY, YIELD, Task, Timer, awaitPromise, join, joinPoll, lastResult, sleep, spawn, spawnDetached, startBlocking } from "tokiwa/assembly";

let sum: i32 = 0;
export function total(): i32 { return sum; }

class Yielder { left: i32 = 0; }
export function startYielders(tasks: i32, yields: i32): void {
  for (let i = 0; i < tasks; i++) {
    const state = new Yielder();
    state.left = yields;
    spawnDetached((arg: usize, self: Task): i32 => {
      const state = changetype<Yielder>(arg);
      if (self < 0 || state.left == 0) { sum++; return READY; }
      state.left--;
      return YIELD;
    }, changetype<usize>(state));
  }
}

class Waiter { other: Task = -1; timer: Timer = new Timer(); joined: bool = false; }
export function startJoin(): Task {
  const state = new Waiter();
  state.other = spawn((arg: usize, self: Task): i32 => 41);
  return spawn((arg: usize, self: Task): i32 => {
    const state = changetype<Waiter>(arg);
    if (self < 0) { state.timer.stop(); return READY; }
    if (!state.joined) {
      const outcome = joinPoll(state.other, self);
      if (outcome != READY) return outcome;
      sum += <i32>lastResult();
      state.joined = true;
      state.timer.start(self, 5);
    }
    if (!state.timer.hasFired) return PENDING;
    return sum + 1;
  }, changetype<usize>(state));
}

function worker(arg: usize): i32 {
  for (let i = 0; i < 5; i++) if (sleep(<f64>(arg % 3)) != 0) return -1;
  return <i32>arg;
}
export function program(tasks: i32): i32 {
  let started = new StaticArray<i32>(tasks);
  for (let i = 0; i < tasks; i++) if ((started[i] = startBlocking(worker, i)) < 0) return started[i];
  let result = 0;
  for (let i = 0; i < tasks; i++) {
    if (join(started[i]) != READY) return -100;
    result += <i32>lastResult();
  }
  return result;
}
export function waitFor(promise: i32): i32 { const state = awaitPromise(promise); return state == READY ? <i32>lastResult() : state; }
