// Blocking this thread, where it may block: until a time has passed, or another thread says so.

export class Parker {
  /** 0 while nothing has happened, 1 once somebody called unpark(). */
  readonly word: Int32Array<SharedArrayBuffer>;

  constructor(word: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4))) {
    this.word = word;
  }

  /** Returns after `ms`, at once if unparked since the last time. `Infinity` waits for an unpark. */
  park(ms: number): void {
    Atomics.wait(this.word, 0, 0, ms);
    Atomics.store(this.word, 0, 0);
  }

  /** From any thread. */
  unpark(): void {
    Atomics.store(this.word, 0, 1);
    Atomics.notify(this.word, 0);
  }
}
