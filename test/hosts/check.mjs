// Assertions that run in every host.

export function equal(actual, expected) {
  if (!Object.is(actual, expected)) throw new Error(`expected ${String(expected)}, got ${String(actual)}`);
}

/** Equal lists of primitives. */
export function same(actual, expected) {
  equal(JSON.stringify(actual), JSON.stringify(expected));
}
