// Access to words that more than one thread touches. Nothing else in the core is atomic.
//
// Three builds of one source:
//   local   no atomics; the memory has one thread
//   shared  --enable threads: every access is sequentially consistent
//   model   shared, with --use TOKIWA_MODEL=1: a suspension point before each access, for
//           the interleaving explorer (test/model), which also plays wait and notify
//
// A word is always accessed at one size: half of a u64 is a different range, and a race.

// @ts-ignore: the name exists only with --use
export const MODEL: bool = isDefined(TOKIWA_MODEL);

// @ts-ignore: decorator
@external("model", "point")
declare function modelPoint(address: usize): void;
// @ts-ignore: decorator
@external("model", "wait")
declare function modelWait(address: usize, expected: u32, timed: bool): bool;
// @ts-ignore: decorator
@external("model", "notify")
declare function modelNotify(address: usize, all: bool): void;
// @ts-ignore: decorator
@external("model", "relax")
declare function modelRelax(): void;

/** The explorer may switch to another thread here. */
function pause(address: usize): void {
  if (MODEL) modelPoint(address);
}

/** One round of a loop that waits for another thread's store. */
export function relax(): void {
  if (MODEL) modelRelax();
}

export function loadWord(address: usize): u32 {
  pause(address);
  return ASC_FEATURE_THREADS ? atomic.load<u32>(address) : load<u32>(address);
}

export function storeWord(address: usize, value: u32): void {
  pause(address);
  if (ASC_FEATURE_THREADS) atomic.store<u32>(address, value);
  else store<u32>(address, value);
}

/** @returns whether the word was `expected`, and is `value` now. */
export function replaceWord(address: usize, expected: u32, value: u32): bool {
  pause(address);
  if (ASC_FEATURE_THREADS) return atomic.cmpxchg<u32>(address, expected, value) == expected;
  if (load<u32>(address) != expected) return false;
  store<u32>(address, value);
  return true;
}

/** @returns the word as it was before. */
export function addWord(address: usize, value: i32): i32 {
  pause(address);
  if (ASC_FEATURE_THREADS) return atomic.add<i32>(address, value);
  const before = load<i32>(address);
  store<i32>(address, before + value);
  return before;
}

export function loadLong(address: usize): u64 {
  pause(address);
  return ASC_FEATURE_THREADS ? atomic.load<u64>(address) : load<u64>(address);
}

export function storeLong(address: usize, value: u64): void {
  pause(address);
  if (ASC_FEATURE_THREADS) atomic.store<u64>(address, value);
  else store<u64>(address, value);
}

/** @returns whether the word was `expected`, and is `value` now. */
export function replaceLong(address: usize, expected: u64, value: u64): bool {
  pause(address);
  if (ASC_FEATURE_THREADS) return atomic.cmpxchg<u64>(address, expected, value) == expected;
  if (load<u64>(address) != expected) return false;
  store<u64>(address, value);
  return true;
}

/** Sets bits. @returns the word as it was before. */
export function setBits(address: usize, bits: u64): u64 {
  pause(address);
  if (ASC_FEATURE_THREADS) return atomic.or<u64>(address, bits);
  const before = load<u64>(address);
  store<u64>(address, before | bits);
  return before;
}

/** Empties a word of bits. @returns the word as it was before. */
export function takeBits(address: usize): u64 {
  pause(address);
  if (ASC_FEATURE_THREADS) return atomic.xchg<u64>(address, 0);
  const before = load<u64>(address);
  store<u64>(address, 0);
  return before;
}

/**
 * Blocks while the word is `expected`.
 *
 * @param timeoutNs negative: no limit
 * @returns whether the time ran out. The local build cannot be woken, so there it always has.
 */
export function waitWord(address: usize, expected: u32, timeoutNs: i64): bool {
  if (MODEL) return modelWait(address, expected, timeoutNs >= 0);
  if (ASC_FEATURE_THREADS) return atomic.wait<u32>(address, expected, timeoutNs) == 2;
  return true;
}

export function notifyWord(address: usize): void {
  if (MODEL) modelNotify(address, false);
  else if (ASC_FEATURE_THREADS) atomic.notify(address, 1);
}

/** Wakes all who wait for the word. */
export function notifyAll(address: usize): void {
  if (MODEL) modelNotify(address, true);
  else if (ASC_FEATURE_THREADS) atomic.notify(address, -1);
}
