// Blocking this thread, where it may block: until a time has passed, or another thread says so.

/** A word to wait at. Where memory cannot be posted to other threads, Wasm has some that is shared with nobody. */
function ownWord(): Int32Array<SharedArrayBuffer> {
  const buffer = typeof SharedArrayBuffer === "function" ? new SharedArrayBuffer(4) : (new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer as unknown as SharedArrayBuffer);
  return new Int32Array(buffer, 0, 1);
}

export class Parker {
  /** 0 while nothing has happened, 1 once somebody called unpark(). */
  readonly word: Int32Array<SharedArrayBuffer>;

  constructor(word: Int32Array<SharedArrayBuffer> = ownWord()) {
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
