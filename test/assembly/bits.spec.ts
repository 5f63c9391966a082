import { exponentOf, generationOf, handleOf, indexOf, levelOf } from "../../assembly/bits";
import { INDEX_MASK } from "../../assembly/layout";

describe("handles", () => {
  it("carry index and generation, and are never negative", () => {
    const handle = handleOf(4194303, 0xff000003);
    expect<i32>(handle).toBe(0x3fffffff);
    expect<u32>(indexOf(handle)).toBe(INDEX_MASK);
    expect<u32>(generationOf(handle)).toBe(0xff000000);
    expect<u32>(generationOf(handleOf(7, 0x05000000))).toBe(0x05000000);
    expect<u32>(indexOf(handleOf(7, 0x05000000))).toBe(7);
  });
});

describe("exponentOf", () => {
  it("is that of the smallest power of two that is large enough", () => {
    expect<u32>(exponentOf(1)).toBe(0);
    expect<u32>(exponentOf(1024)).toBe(10);
    expect<u32>(exponentOf(1025)).toBe(11);
    expect<u32>(exponentOf(0x80000000)).toBe(31);
  });
});

describe("levelOf", () => {
  it("is the highest group of six bits that differs", () => {
    expect<u32>(levelOf(0, 0)).toBe(0);
    expect<u32>(levelOf(0, 63)).toBe(0);
    expect<u32>(levelOf(0, 64)).toBe(1);
    expect<u32>(levelOf(63, 64)).toBe(1);
    expect<u32>(levelOf(0, (1 << 30) - 1)).toBe(4);
    expect<u32>(levelOf(0, <u64>1 << 30)).toBe(5);
    expect<u32>(levelOf((<u64>1 << 32) - 1, <u64>1 << 32)).toBe(5);
  });

  it("stays on the top level across a multiple of 2^36", () => {
    expect<u32>(levelOf((<u64>1 << 36) - 1, <u64>1 << 36)).toBe(5);
    expect<u32>(levelOf((<u64>1 << 48) + 5, (<u64>1 << 48) + 6)).toBe(0);
  });
});
