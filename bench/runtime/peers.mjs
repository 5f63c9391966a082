// The other sides: what one would write by hand, and what others publish. Each factory imports what it needs
// itself, so that a side's process holds nothing of the other sides.

/** A leaf iterator as small as it can be: the floor of `yield*`. */
export const LEAF = {
  waiting: false,
  step: { done: false, value: undefined },
  end: { done: true, value: undefined },
  [Symbol.iterator]() {
    return this;
  },
  next() {
    this.waiting = !this.waiting;
    return this.waiting ? this.step : this.end;
  },
};

/** Round robin over generators in typed arrays: ids in a ring, a state word per task, no wakers, timers or handles. */
export class TypedArrayScheduler {
  constructor(capacity) {
    this.ring = new Int32Array(capacity);
    this.states = new Int32Array(capacity);
    this.mask = capacity - 1;
    this.head = 0;
    this.tail = 0;
    this.generators = new Array(capacity).fill(undefined);
    this.free = Int32Array.from({ length: capacity }, (_, i) => i);
    this.freeCount = capacity;
  }

  spawn(fn, argument) {
    const id = this.free[--this.freeCount];
    this.generators[id] = fn(argument);
    this.states[id] = 1;
    this.ring[this.tail++ & this.mask] = id;
    return id;
  }

  run() {
    const { ring, states, mask, generators } = this;
    while (this.head !== this.tail) {
      const id = ring[this.head++ & mask];
      states[id] &= ~1;
      if (generators[id].next().done) {
        generators[id] = undefined;
        this.free[this.freeCount++] = id;
      } else {
        states[id] |= 1;
        ring[this.tail++ & mask] = id;
      }
    }
  }
}

/** The same with an object per task in an array that is swapped at every round: what one writes first. */
export class ArrayScheduler {
  constructor() {
    this.ready = [];
  }

  spawn(fn, argument) {
    const task = { generator: fn(argument), isQueued: true, isDone: false, value: undefined, waiters: [] };
    this.ready.push(task);
    return task;
  }

  run() {
    while (this.ready.length > 0) {
      const batch = this.ready;
      this.ready = [];
      for (const task of batch) {
        task.isQueued = false;
        const step = task.generator.next();
        if (step.done) {
          task.isDone = true;
          task.value = step.value;
          for (const waiter of task.waiters) waiter();
        } else {
          task.isQueued = true;
          this.ready.push(task);
        }
      }
    }
  }
}
