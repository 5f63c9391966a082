// Regions of memory, in sizes of powers of two from 1 KiB. Any thread.
//
//   lock   u32   taken by compare-and-swap; held for a few dozen instructions or one memory.grow
//   next   u32   first byte that was never given out
//   left   u32   bytes from there to the end of what is ours
//   free   u32[] one list per size; a free region's first word is the next one's address, or 0
//
// Regions never move, are never split and never joined: at most the sum of each size's own peak
// is held, and tables only double, so that is at most twice what they need at their largest.
// The end is kept as a distance, because the end of a full 4 GiB memory has no 32-bit address.
// If someone else grew the memory in between, the rest of the old span is abandoned.

import {
  GROW_PAGES, HEAP_BYTES, HEAP_FIXED, HEAP_FREE, HEAP_LEFT, HEAP_LOCK, HEAP_NEXT, PAGE_SHIFT, REGION_MIN, REGION_SHIFT,
} from "./layout";
import { relax, replaceWord, storeWord } from "./sync";
import { exponentOf } from "./bits";

/** Makes everything from `heap` to the end of the memory ours. One thread, before all others. */
export function formatHeap(heap: usize): void {
  // 0 when the memory is 4 GiB: the distances are right all the same.
  format(heap, <u32>memory.size() << <u32>PAGE_SHIFT);
}

/** As formatHeap(), for `bytes` bytes of somebody else's memory, which is never grown here. */
export function formatHeapWithin(heap: usize, bytes: u32): void {
  format(heap, <u32>heap + bytes);
  store<u32>(heap, 1, HEAP_FIXED);
}

function format(heap: usize, end: u32): void {
  memory.fill(heap, 0, HEAP_BYTES);
  const next = <u32>(heap + HEAP_BYTES + REGION_MIN - 1) & ~(REGION_MIN - 1);
  store<u32>(heap, next, HEAP_NEXT);
  store<u32>(heap, end == 0 || next < end ? end - next : 0, HEAP_LEFT);
}

/** @returns the address of at least `bytes` bytes with whatever they held before, or 0: out of memory. */
export function takeRegion(heap: usize, bytes: u32): usize {
  if (bytes > 0x80000000) return 0;
  const exponent = max<u32>(exponentOf(bytes), REGION_SHIFT);
  const list = heap + HEAP_FREE + (<usize>exponent << 2);
  lock(heap);
  let region = <usize>load<u32>(list);                     // plain: the lock orders it
  if (region != 0) store<u32>(list, load<u32>(region));
  else region = takeFresh(heap, <u32>1 << exponent);
  unlock(heap);
  if (region != 0) waitUntilSeen(<u64>region + (<u64>1 << exponent));
  return region;
}

/**
 * Another thread may have grown the memory for a region that this one gets. A host learns of that at a loop or a call only, and until then
 * memory.fill and atomics trap beyond the old end: seen once, in V8 of Node 20.
 */
// @ts-ignore: decorator
@inline
function waitUntilSeen(end: u64): void {
  while (end > <u64>memory.size() << PAGE_SHIFT) relax();
}

/** Gives back a region taken with the same number of bytes. */
export function giveRegion(heap: usize, region: usize, bytes: u32): void {
  const exponent = max<u32>(exponentOf(bytes), REGION_SHIFT);
  const list = heap + HEAP_FREE + (<usize>exponent << 2);
  lock(heap);
  store<u32>(region, load<u32>(list));
  store<u32>(list, <u32>region);
  unlock(heap);
}

function takeFresh(heap: usize, bytes: u32): usize {
  let next = load<u32>(heap, HEAP_NEXT);
  let left = load<u32>(heap, HEAP_LEFT);
  if (left < bytes) {
    if (load<u32>(heap, HEAP_FIXED)) return 0;
    let pages: i32 = max<i32>(<i32>((bytes - left + 0xffff) >> <u32>PAGE_SHIFT), GROW_PAGES);
    let before = memory.grow(pages);
    if (before < 0) {
      pages = <i32>((bytes - left + 0xffff) >> <u32>PAGE_SHIFT);
      before = memory.grow(pages);
      if (before < 0) return 0;
    }
    if (<u32>before << <u32>PAGE_SHIFT == next + left) left += <u32>pages << <u32>PAGE_SHIFT;
    else {
      next = <u32>before << <u32>PAGE_SHIFT;
      left = <u32>pages << <u32>PAGE_SHIFT;
    }
    if (left < bytes) {                                    // another span, too short by what was left of the old one
      store<u32>(heap, next, HEAP_NEXT);
      store<u32>(heap, left, HEAP_LEFT);
      return takeFresh(heap, bytes);
    }
  }
  store<u32>(heap, next + bytes, HEAP_NEXT);
  store<u32>(heap, left - bytes, HEAP_LEFT);
  return next;
}

function lock(heap: usize): void {
  while (!replaceWord(heap + HEAP_LOCK, 0, 1)) relax();     // pairs with the store in unlock()
}

function unlock(heap: usize): void {
  storeWord(heap + HEAP_LOCK, 0);                          // publishes the lists; pairs with lock()
}
