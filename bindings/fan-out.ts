// One listener of the host for each key, however many listen: the host warns of a leak where there are more than ten.
// It goes when the last of them has gone.

type Listen<K> = (key: K, fire: () => void) => void;

export class FanOut<K> {
  readonly #entries = new Map<K, readonly [calls: Set<() => void>, fire: () => void]>();
  readonly #on: Listen<K>;
  readonly #off: Listen<K>;

  constructor(on: Listen<K>, off: Listen<K>) {
    this.#on = on;
    this.#off = off;
  }

  /** Calls `fn` each time, until the returned function has been called. What `on` throws is thrown. */
  add(key: K, fn: () => void): () => void {
    const [calls, fire] = this.#entries.get(key) ?? this.#listen(key);
    calls.add(fn);
    return () => {
      if (!calls.delete(fn) || calls.size > 0) return;
      this.#off(key, fire);
      this.#entries.delete(key);
    };
  }

  #listen(key: K): readonly [Set<() => void>, () => void] {
    const calls = new Set<() => void>();
    const fire = (): void => {
      for (const fn of Array.from(calls)) fn();
    };
    this.#on(key, fire);
    const entry = [calls, fire] as const;
    this.#entries.set(key, entry);
    return entry;
  }
}
