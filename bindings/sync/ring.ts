// A queue in a ring: the messages of a channel.
//
// The ring is a power of two, grows by doubling and never holds a message it has given out. One that
// grew large is let go when it has run empty, so that a burst does not stay in memory.

const SMALLEST = 16;
/** A ring above this size is given back when it is empty. */
const LARGEST_KEPT = 1024;

export class Ring<T> {
  #items: (T | undefined)[] = [];
  #head = 0;
  length = 0;

  push(item: T): void {
    const { length } = this;
    if (length === this.#items.length) this.#grow();
    const items = this.#items;
    items[(this.#head + length) & (items.length - 1)] = item;
    this.length = length + 1;
  }

  /** The oldest; only when there is one. */
  shift(): T {
    const items = this.#items;
    const head = this.#head;
    const item = items[head] as T;
    items[head] = undefined;
    this.#head = (head + 1) & (items.length - 1);
    if (--this.length === 0 && items.length > LARGEST_KEPT) this.clear();
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.length = 0;
  }

  #grow(): void {
    const old = this.#items;
    const size = old.length;
    const items = new Array<T | undefined>(size === 0 ? SMALLEST : size * 2).fill(undefined);
    for (let i = 0; i < size; i++) items[i] = old[(this.#head + i) & (size - 1)];
    this.#items = items;
    this.#head = 0;
  }
}
