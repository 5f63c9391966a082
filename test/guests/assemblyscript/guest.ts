// What the tests of AssemblyScript guests run.
import {
  END, EWOULDBLOCK, IO_OPEN, IO_READ, Io, PENDING, READY, YIELD, Task, Timer, awaitPromise, blockOn, hold, join, joinPoll, lastResult, release, sleep, spawn,
  spawnDetached, startBlocking, yieldNow,
} from "tokiwa/assembly";

let sum: i32 = 0;
export function total(): i32 { return sum; }

class Yielder { left: i32 = 0; }
export function startYielders(tasks: i32, yields: i32): void {
  for (let i = 0; i < tasks; i++) {
    const state = new Yielder();
    state.left = yields;
    spawnDetached((arg: usize, self: Task): i32 => {
      const state = changetype<Yielder>(arg);
      if (self < 0 || state.left == 0) { sum++; release(arg); return READY; }
      state.left--;
      return YIELD;
    }, hold(state));
  }
}

class Waiter { other: Task = -1; timer: Timer = new Timer(); joined: bool = false; }
export function startJoin(): Task {
  const state = new Waiter();
  state.other = spawn((arg: usize, self: Task): i32 => 41);
  return spawn((arg: usize, self: Task): i32 => {
    const state = changetype<Waiter>(arg);
    if (self < 0) { state.timer.stop(); release(arg); return READY; }
    if (!state.joined) {
      const outcome = joinPoll(state.other, self);
      if (outcome != READY) return outcome;
      sum += <i32>lastResult();
      state.joined = true;
      state.timer.start(self, 5);
    }
    if (!state.timer.hasFired) return PENDING;
    release(arg);
    return sum + 1;
  }, hold(state));
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

// ---- objects across suspensions, for a collector to take away

class Link {
  constructor(public value: i32, public next: Link | null) {}
}

function chain(seed: i32, length: i32): Link {
  let link = new Link(seed, null);
  for (let i = 1; i < length; i++) link = new Link(seed + i, link);
  return link;
}

function add(first: Link): i32 {
  let total = 0;
  for (let link: Link | null = first; link !== null; link = link.next) total += link.value;
  return total;
}

/** Garbage, so that a collection is due. */
export function churn(objects: i32): i32 {
  let last = 0;
  for (let i = 0; i < objects; i++) last = new Link(i, null).value;
  return last;
}

let wrong = 0;
export function wrongObjects(): i32 { return wrong; }

function keep(arg: usize, depth: i32): void {
  const id = <i32>arg;
  const links = chain(id, 20);
  const text = id.toString() + "/" + depth.toString();
  if (id % 3 == 0) yieldNow(); else sleep(<f64>(id % 4));
  churn(50);
  if (depth > 0) keep(arg, depth - 1);
  sleep(<f64>((id + depth) % 2));
  if (add(links) != 20 * id + 190 || text != id.toString() + "/" + depth.toString()) wrong++;
}

function keeper(arg: usize): i32 {
  keep(arg, <i32>arg % 5);
  return <i32>arg;
}

export function startKeeper(id: i32): Task { return startBlocking(keeper, id); }

class Holder {
  links: Link | null = null;
  sum: i32 = 0;
}

/** A poll task whose state only hold() keeps. */
export function startHolder(id: i32, yields: i32): Task {
  const state = new Holder();
  state.links = chain(id, yields);
  return spawn((arg: usize, self: Task): i32 => {
    const state = changetype<Holder>(arg);
    const link = state.links;
    if (self < 0 || link === null) {
      release(arg);
      return state.sum;
    }
    churn(20);
    state.sum += link.value;
    state.links = link.next;
    return YIELD;
  }, hold(state));
}

/** Not a blocking task: its sleep() drives the loop, so blocking tasks start above this function's frame. */
export function nested(tasks: i32): i32 {
  const links = chain(7, 10);
  const text = "before" + tasks.toString();
  for (let i = 0; i < tasks; i++) startBlocking(keeper, i);
  if (sleep(1) != EWOULDBLOCK) return -1;
  churn(1000);
  return add(links) == 115 && text == "before" + tasks.toString() ? 1 : 0;
}

export function blockOnTimer(ms: i32): i32 {
  const timer = new Timer();
  const text = "kept" + ms.toString();
  const result = blockOn((arg: usize, self: Task): i32 => {
    const timer = changetype<Timer>(arg);
    if (self < 0) { timer.stop(); return READY; }
    if (!timer.isSet) timer.start(self, 5);
    churn(10);
    return timer.hasFired ? 7 : PENDING;
  }, hold(timer));
  release(changetype<usize>(timer));
  return text == "kept" + ms.toString() ? result : -100;
}

/** The body of a response, blocking. */
export function download(kind: i32): i32 {
  const io = Io.fetch(kind == 0 ? "data:text/plain,hello%20guest" : "data:,");
  if (io.id < 0) return io.id;
  if (io.wait(IO_OPEN) < 0) return -1000;
  const buffer = new Uint8Array(8);
  let total = 0;
  for (;;) {
    if (io.wait(IO_READ) < 0) return -1001;
    churn(100);
    const n = io.read(buffer);
    if (n == END) break;
    for (let i = 0; i < n; i++) total += buffer[i];
  }
  const type = io.header("content-type");
  const status = io.status;
  io.close();
  return status == 200 && type !== null && type.startsWith("text/plain") ? total : -1002;
}
