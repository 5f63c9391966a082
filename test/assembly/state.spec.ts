import { ARENA_LIVE, COMPLETE, HELD, INDEX_BITS, NOTIFIED } from "../../assembly/layout";
import { complete, isLive, letGo, notify, notifyIndex } from "../../assembly/state";
import { statePtr, takeSlot } from "../../assembly/slab";
import { newArena } from "./support";

let arena: usize = 0;
let index: u32 = 0;

function state(): u32 {
  return load<u32>(statePtr(arena, index));
}

describe("a unit's state", () => {
  beforeEach(() => {
    arena = newArena();
    index = takeSlot(arena, 0);
  });

  it("becomes NOTIFIED once", () => {
    expect(notify(arena, index)).toBe(true);
    expect<u32>(state()).toBe(NOTIFIED);
    expect(notify(arena, index)).toBe(false);
    expect(notifyIndex(arena, index)).toBe(false);
  });

  it("ignores handles of other generations and of slots that were never used", () => {
    expect(notify(arena, index | (1 << INDEX_BITS))).toBe(false);
    expect(notify(arena, index + 1)).toBe(false);
    expect(notifyIndex(arena, index + 1)).toBe(false);
    expect(isLive(arena, index + 1)).toBe(false);
    expect(isLive(arena, -1)).toBe(false);
  });

  it("is released at once when it ends idle", () => {
    complete(arena, index, state());
    expect(isLive(arena, index)).toBe(false);
    expect<u32>(load<u32>(arena + ARENA_LIVE)).toBe(0);
    expect<u32>(takeSlot(arena, 0)).toBe(index);
    expect(isLive(arena, index)).toBe(false);
    expect(isLive(arena, index | (1 << INDEX_BITS))).toBe(true);
  });

  it("keeps its slot while NOTIFIED or HELD, and is released by the last of them", () => {
    complete(arena, index, <u32>(NOTIFIED | HELD));
    expect<u32>(state()).toBe(NOTIFIED | HELD | COMPLETE);
    letGo(arena, index, <u32>(NOTIFIED | COMPLETE));
    expect<u32>(takeSlot(arena, 0)).not.toBe(index);
    letGo(arena, index, COMPLETE);
    expect<u32>(takeSlot(arena, 0)).toBe(index);
  });
});
