// What every copy of this package in one realm shares: a page's bundle may hold one, and a module that
// was sent to a worker imports another. A task of one copy then waits on futures of the other.
//
// Only the protocol is shared: who runs now (`context`), the steps of iterators, the async context of
// tasks and the default runtime. Objects know each other by their methods, not by their class.

const registry = ((globalThis as Record<symbol, unknown>)[Symbol.for("tokiwa")] ??= {}) as Record<string, unknown>;

/** Grows when the shape of something shared changes: copies of different protocols leave each other alone. */
const PROTOCOL = 2;

/** What the first copy that asked for `name` made. */
export function shared<T>(name: string, make: () => T): T {
  return (registry[`${name}@${PROTOCOL}`] ??= make()) as T;
}
