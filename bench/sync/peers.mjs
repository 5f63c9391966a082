// Channels and locks as one writes them by hand with promises.

/** Bounded, try-first: send() and recv() return a promise only when they must wait. */
export class PromiseChannel {
  constructor(capacity) {
    this.capacity = capacity;
    this.items = [];
    this.head = 0;
    this.receivers = [];
    this.senders = [];
  }

  get length() {
    return this.items.length - this.head;
  }

  send(value) {
    if (this.receivers.length > 0) {
      this.receivers.shift()(value);
      return undefined;
    }
    if (this.length < this.capacity) {
      this.items.push(value);
      return undefined;
    }
    return new Promise((resolve) => this.senders.push({ value, resolve }));
  }

  recv() {
    if (this.length === 0) return new Promise((resolve) => this.receivers.push(resolve));
    const value = this.items[this.head++];
    if (this.head === this.items.length || this.head > 1024) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    if (this.senders.length > 0) {
      const { value: next, resolve } = this.senders.shift();
      this.items.push(next);
      resolve();
    }
    return value;
  }
}

/** A promise with its ends outside: the oneshot of plain JavaScript. */
export function deferred() {
  let resolve;
  const promise = new Promise((r) => {
    resolve = r;
  });
  return { promise, resolve };
}

/** Counts permits, and keeps a queue of resolvers. */
export class PromiseMutex {
  constructor(permits = 1) {
    this.permits = permits;
    this.waiters = [];
  }

  lock() {
    if (this.permits > 0) {
      this.permits--;
      return undefined;
    }
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  unlock() {
    const next = this.waiters.shift();
    if (next === undefined) this.permits++;
    else next();
  }
}
