// Receivers as async iterables and as streams of the web.
//
// A receiver gives single waits for an item; END tells that there will be no more, which an item
// may not (an `undefined` that was sent is an item). Iterating borrows the receiver: leaving the loop
// keeps it open. A stream owns it: cancelling the stream disposes of it, which the senders see.

import { microtask } from "../host.ts";
import { type Future, Operation, PENDING, type Waker } from "../future.ts";

/** What a wait for an item gives when there will be no more. */
export const END: unique symbol = Symbol("tokiwa.end");

/** One wait for an item. */
export interface Item<T> extends Disposable {
  pollItem(waker: Waker): T | typeof PENDING | typeof END;
  describe(): string;
}

class Next<T> extends Operation<IteratorResult<T, undefined>> {
  readonly #item: Item<T>;

  constructor(item: Item<T>) {
    super();
    this.#item = item;
  }

  poll(waker: Waker): IteratorResult<T, undefined> | typeof PENDING {
    const value = this.#item.pollItem(waker);
    if (value === PENDING) return PENDING;
    return value === END ? { done: true, value: undefined } : { done: false, value: value as T };
  }

  override [Symbol.dispose](): void {
    this.#item[Symbol.dispose]();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return this.#item.describe();
  }
}

/** An iterator whose steps are futures: they belong to the task that awaits them, and go with it. */
export function iterate<T>(wait: () => Item<T>): AsyncIterator<T, undefined> {
  return {
    next: () => new Next(wait()) as unknown as Promise<IteratorResult<T, undefined>>,
    return: () => Promise.resolve({ done: true, value: undefined }),
  };
}

/** Polls a future to its end on behalf of the host, in no task: one that is aborted must not break a stream. */
function settle<T>(future: Future<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let isQueued = false;
    const waker: Waker = {
      wake() {
        if (isQueued) return;
        isQueued = true;
        microtask(step);
      },
    };
    const step = (): void => {
      isQueued = false;
      try {
        const value = future.poll(waker);
        if (value !== PENDING) resolve(value);
      } catch (error) {
        reject(error);
      }
    };
    step();
  });
}

/** A stream that asks for an item when its reader does, and not before. */
export function readable<T>(wait: () => Item<T>, dispose: () => void): ReadableStream<T> {
  let pending: Next<T> | undefined;
  return new ReadableStream<T>(
    {
      async pull(controller) {
        pending = new Next(wait());
        const step = await settle(pending);
        if (step.done === true) controller.close();
        else controller.enqueue(step.value);
      },
      cancel() {
        pending?.[Symbol.dispose]();
        dispose();
      },
    },
    { highWaterMark: 0 },
  );
}

/** A stream that takes the next chunk when the last one has its place in the channel. */
export function writable<T>(send: (value: T) => Future<void> | void, close: () => void): WritableStream<T> {
  return new WritableStream<T>({
    write(value) {
      const sent = send(value);
      return sent === undefined ? undefined : settle(sent);
    },
    close,
    abort: close,
  });
}
