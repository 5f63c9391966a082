// Who lives: numbers of threads, and what becomes of a thread's own threads.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { be, buryFamily, buryMember, family, familyTable, isDead, mayBeInside, newMember, warnMember } from "../bindings/workers/family.ts";

const { table, own } = family;
beforeEach(() => {
  family.table = undefined;
  be(1);
  familyTable();
});
afterEach(() => {
  family.table = table;
  be(own);
});

/** As the thread of that number. */
function as<T>(id: number, run: () => T): T {
  const before = family.own;
  be(id);
  try {
    return run();
  } finally {
    be(before);
  }
}

const mayEnter = (id: number): boolean => as(id, mayBeInside);

describe("a thread that is ended", () => {
  test("enters no lock any more, nor do its own threads, and theirs; others do", () => {
    const [one, other] = [newMember(), newMember()];
    const child = as(one, newMember);
    const nephew = as(other, newMember);
    const grandchild = as(child, newMember);
    const family = [1, one, other, child, nephew, grandchild];
    expect(family.map(mayEnter)).toEqual([true, true, true, true, true, true]);
    warnMember(one);
    expect(family.map(mayEnter)).toEqual([true, false, true, false, true, false]);
    expect(family.map(isDead)).toEqual([false, false, false, false, false, false]);
    buryMember(one);
    expect(family.map(isDead)).toEqual([false, true, false, false, false, false]);
    buryFamily(one);
    expect(family.map(isDead)).toEqual([false, true, false, true, false, true]);
    expect(family.map(mayEnter)).toEqual([true, false, true, false, true, false]);
  });

  test("starts none that would enter a lock", () => {
    const one = newMember();
    warnMember(one);
    const late = as(one, newMember);
    expect([mayEnter(late), isDead(late)]).toEqual([false, false]);
    buryFamily(one);
    expect(isDead(late)).toBe(true);
  });

  test("by itself is buried with its own, which were not warned", () => {
    const one = newMember();
    const child = as(one, newMember);
    buryMember(one);
    expect([mayEnter(child), isDead(child)]).toEqual([true, false]);
    buryFamily(one);
    expect([mayEnter(child), isDead(child)]).toEqual([false, true]);
  });

  test("is waited for while one of its own is inside a lock, but not for ever", () => {
    const one = newMember();
    const child = as(one, newMember);
    as(child, () => (family.table![family.place + 1] = 1));
    buryFamily(one);
    expect([isDead(one), isDead(child)]).toEqual([true, true]);
  });

  test("that came when the numbers were used up disturbs nobody", () => {
    family.table![0] = (1 << 17) - 2;
    const last = newMember();
    const [late, later] = [newMember(), newMember()];
    expect(late).toBe(last + 1);
    warnMember(late);
    buryFamily(late);
    expect([last, late, later].map(mayEnter)).toEqual([true, true, true]);
    expect([last, late, later].map(isDead)).toEqual([false, false, false]);
    buryFamily(last);
    expect([last, late, later].map(isDead)).toEqual([true, false, false]);
  });
});
