import { HEAP_BYTES, HEAP_LEFT, HEAP_NEXT, REGION_MIN } from "../../assembly/layout";
import { formatHeap, formatHeapWithin, giveRegion, takeRegion } from "../../assembly/region";
import { newHeap } from "./support";

let heap: usize = 0;

describe("the region allocator", () => {
  beforeEach(() => {
    heap = newHeap(1);
    formatHeap(heap);
  });

  it("begins behind its header and ends with the memory", () => {
    expect<u32>(load<u32>(heap + HEAP_NEXT)).toBe(<u32>heap + REGION_MIN);
    expect<u32>(load<u32>(heap + HEAP_LEFT)).toBe(65536 - REGION_MIN);
    expect(HEAP_BYTES <= REGION_MIN).toBe(true);
  });

  it("rounds up to powers of two, and to 1 KiB", () => {
    const first = takeRegion(heap, 1);
    const second = takeRegion(heap, 1025);
    const third = takeRegion(heap, 1024);
    expect<usize>(second - first).toBe(1024);
    expect<usize>(third - second).toBe(2048);
    expect<usize>(first % REGION_MIN).toBe(0);
  });

  it("gives a region back to the next one who wants that size", () => {
    const first = takeRegion(heap, 2048);
    const second = takeRegion(heap, 2048);
    giveRegion(heap, first, 2048);
    giveRegion(heap, second, 1500);
    expect<usize>(takeRegion(heap, 1024)).not.toBe(first);
    expect<usize>(takeRegion(heap, 2000)).toBe(second);
    expect<usize>(takeRegion(heap, 2048)).toBe(first);
  });

  it("grows the memory when it has to, and abandons what somebody else's growth cut off", () => {
    expect<usize>(takeRegion(heap, 65536)).not.toBe(0);
    const theirs = <usize>memory.grow(1) << 16;
    store<u8>(theirs, 77);
    const region = takeRegion(heap, 1 << 21);
    expect(region > theirs).toBe(true);
    expect<u8>(load<u8>(theirs)).toBe(77);
  });

  it("stays within somebody else's memory", () => {
    formatHeapWithin(heap, 10_000);
    const pages = memory.size();
    const last = heap + 10_000;
    let taken: u32 = 0;
    for (let region = takeRegion(heap, 1024); region != 0; region = takeRegion(heap, 1024)) {
      expect(region + 1024 <= last).toBe(true);
      taken++;
    }
    expect<u32>(taken).toBe(8);
    expect<i32>(memory.size()).toBe(pages);
    formatHeapWithin(heap, 100);
    expect<usize>(takeRegion(heap, 1)).toBe(0);
  });

  it("refuses more than half of the address space", () => {
    expect<usize>(takeRegion(heap, 0x80000001)).toBe(0);
  });
});
