import { ARENA_CAPACITY, ARENA_LIVE, ARENA_REST_COUNT, ARENA_RING, ARENA_STATES, COMPLETE, GENERATION_SHIFT, GUEST, INBOX_SEGMENTS, NIL } from "../../assembly/layout";
import { argPtr, growUnits, releaseSlot, segmentBytes, statePtr, takeSlot } from "../../assembly/slab";
import { newArena } from "./support";

let arena: usize = 0;

describe("the slab", () => {
  beforeEach(() => {
    arena = newArena();
  });

  it("hands out slots in order, then the one released last", () => {
    for (let i = 0; i < 5; i++) expect<u32>(takeSlot(arena, 0)).toBe(i);
    releaseSlot(arena, 1, load<u32>(statePtr(arena, 1)));
    releaseSlot(arena, 3, load<u32>(statePtr(arena, 3)));
    expect<u32>(takeSlot(arena, 0)).toBe(3);
    expect<u32>(takeSlot(arena, 0)).toBe(1);
    expect<u32>(takeSlot(arena, 0)).toBe(5);
    expect<u32>(load<u32>(arena + ARENA_LIVE)).toBe(8);
  });

  it("counts a slot's generation up to 255 and marks a free slot COMPLETE; then it rests", () => {
    for (let i: u32 = 0; i < 256; i++) {
      expect<u32>(takeSlot(arena, GUEST)).toBe(0);
      const state = load<u32>(statePtr(arena, 0));
      expect<u32>(state).toBe((i << <u32>GENERATION_SHIFT) | <u32>GUEST);
      releaseSlot(arena, 0, state);
      expect<u32>(load<u32>(statePtr(arena, 0)) & 0xff).toBe(COMPLETE);
    }
    expect<u32>(load<u32>(arena + ARENA_REST_COUNT)).toBe(1);
    expect<u32>(takeSlot(arena, 0)).toBe(1);
  });

  it("uses slots again that have rested, when 64 of them do and nothing else is left", () => {
    for (let i: u32 = 0; i < 64 * 256; i++) {
      const index = takeSlot(arena, 0);
      releaseSlot(arena, index, load<u32>(statePtr(arena, index)));
    }
    expect<u32>(load<u32>(arena + ARENA_REST_COUNT)).toBe(64);
    expect<u32>(takeSlot(arena, 0)).toBe(63);
    expect<u32>(load<u32>(arena + ARENA_REST_COUNT)).toBe(0);
  });

  it("is full at its capacity, and keeps states and arguments when it doubles", () => {
    for (let i: u32 = 0; i < 64; i++) store<u32>(argPtr(arena, takeSlot(arena, 0)), i * 3);
    expect<u32>(takeSlot(arena, 0)).toBe(NIL);
    const before = load<u32>(arena + ARENA_STATES);
    expect(growUnits(arena)).toBe(true);
    expect<u32>(load<u32>(arena + ARENA_CAPACITY)).toBe(128);
    expect<u32>(load<u32>(arena + ARENA_STATES)).not.toBe(before);
    expect<u32>(load<u32>(arena + ARENA_RING) - load<u32>(arena + ARENA_STATES)).toBe(128 * 12);
    for (let i: u32 = 0; i < 64; i++) expect<u32>(load<u32>(argPtr(arena, i))).toBe(i * 3);
    expect<u32>(takeSlot(arena, 0)).toBe(64);
  });

  it("makes an inbox segment for every doubling past 16 384 units", () => {
    const large = <usize>newArena(65536);
    expect<u32>(load<u32>(large + INBOX_SEGMENTS + 4)).not.toBe(0);
    expect<u32>(load<u32>(large + INBOX_SEGMENTS + 8)).not.toBe(0);
    expect<u32>(load<u32>(large + INBOX_SEGMENTS + 12)).toBe(0);
    expect<u32>(segmentBytes(1)).toBe(16384 / 8);
    expect<u32>(segmentBytes(2)).toBe(32768 / 8);
  });
});
