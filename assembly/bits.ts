// Arithmetic on handles, state words and bit sets. Touches no memory.

import { GENERATION_MASK, HANDLE_TO_STATE, INDEX_BITS, INDEX_MASK, WHEEL_LEVELS } from "./layout";

export function indexOf(handle: u32): u32 {
  return handle & <u32>INDEX_MASK;
}

/** The generation of a handle, where a state word has it. */
export function generationOf(handle: u32): u32 {
  return (handle << <u32>HANDLE_TO_STATE) & <u32>GENERATION_MASK;
}

/** The handle of a unit with this index and state word. */
// @ts-ignore: decorator
@inline
export function handleOf(index: u32, state: u32): u32 {
  return ((state & <u32>GENERATION_MASK) >>> <u32>HANDLE_TO_STATE) | index;
}

/** Exponent of the smallest power of two that is at least `size`; `size` is at least 1. */
export function exponentOf(size: u32): u32 {
  return 32 - clz<u32>(size - 1);
}

/**
 * The wheel level of a tick: the highest group of six bits in which it differs from the present one.
 *
 * So all timers of one level are earlier than those of the next, and slots on the way to a tick are
 * always emptied before it. Ticks across a multiple of 2^36 stay on the top level and go round once.
 */
export function levelOf(elapsed: u64, when: u64): u32 {
  const level = <u32>(63 - clz<u64>((elapsed ^ when) | 63)) / 6;
  return level < <u32>WHEEL_LEVELS ? level : <u32>WHEEL_LEVELS - 1;
}
