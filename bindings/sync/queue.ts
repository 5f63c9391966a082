// A queue in blocks: the messages of a channel.
//
// Messages are written into the tail block and taken from the head block. A full tail gets a successor, twice as
// large up to LARGEST_BLOCK; a head that was read to its end is kept as the next successor, so that a
// steady stream allocates nothing, or let go when there is one already. So nothing is ever copied, a burst does not stay
// in memory, and no block holds a message it has given out.
//
//   length === 0  =>  head and tail are one block, and both stand at its beginning

const SMALLEST_BLOCK = 16;
const LARGEST_BLOCK = 256;

interface Block<T> {
  readonly items: (T | undefined)[];
  next: Block<T> | null;
}

function makeBlock<T>(size: number): Block<T> {
  return { items: new Array<T | undefined>(size).fill(undefined), next: null };
}

export class Queue<T> {
  #head: Block<T> | null = null;
  #tail: Block<T> | null = null;
  /** The items of the head and of the tail. */
  #from: (T | undefined)[] = [];
  #into: (T | undefined)[] = [];
  #headAt = 0;
  #tailAt = 0;
  #spare: Block<T> | null = null;
  length = 0;

  push(item: T): void {
    let at = this.#tailAt;
    if (at === this.#into.length) {
      this.#extend();
      at = 0;
    }
    this.#into[at] = item;
    this.#tailAt = at + 1;
    this.length++;
  }

  /** The oldest; only when there is one. */
  shift(): T {
    let at = this.#headAt;
    if (at === this.#from.length) {
      this.#advance();
      at = 0;
    }
    const items = this.#from;
    const item = items[at] as T;
    items[at] = undefined;
    if (--this.length === 0) this.#headAt = this.#tailAt = 0;
    else this.#headAt = at + 1;
    return item;
  }

  clear(): void {
    this.#head = this.#tail = this.#spare = null;
    this.#from = this.#into = [];
    this.#headAt = this.#tailAt = this.length = 0;
  }

  #extend(): void {
    const tail = this.#tail;
    if (tail === null) {
      this.#head = this.#tail = makeBlock<T>(SMALLEST_BLOCK);
      this.#from = this.#into = this.#head.items;
      return;
    }
    const block = this.#spare ?? makeBlock<T>(Math.min(LARGEST_BLOCK, tail.items.length * 2));
    this.#spare = null;
    tail.next = block;
    this.#tail = block;
    this.#into = block.items;
  }

  #advance(): void {
    const old = this.#head as Block<T>;
    const head = old.next as Block<T>;
    old.next = null;
    if (this.#spare === null || this.#spare.items.length < old.items.length) this.#spare = old;
    this.#head = head;
    this.#from = head.items;
  }
}
