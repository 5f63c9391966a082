import { INBOX_SUMMARY, INBOX_TOP } from "../../assembly/layout";
import { drain, hasMail, post } from "../../assembly/inbox";
import { wake } from "../../assembly/index";
import { newArenaWith, pollAll } from "./support";

let arena: u32 = 0;

describe("the inbox", () => {
  beforeEach(() => {
    arena = newArenaWith(64);
  });

  it("tells only the first of several wakers to look at the parked word", () => {
    expect(hasMail(arena)).toBe(false);
    expect(post(arena, 7)).toBe(true);
    expect(post(arena, 7)).toBe(false);
    expect(post(arena, 8)).toBe(false);
    expect(hasMail(arena)).toBe(true);
  });

  it("queues each unit once, lowest index first, and is empty then", () => {
    post(arena, 40);
    post(arena, 7);
    post(arena, 40);
    expect<u32>(drain(arena)).toBe(2);
    expect<u64>(pollAll(arena)).toBe(740);
    expect(hasMail(arena)).toBe(false);
    expect<u32>(drain(arena)).toBe(0);
    expect<u64>(load<u64>(<usize>arena + INBOX_TOP)).toBe(0);
    expect<u64>(load<u64>(<usize>arena + INBOX_SUMMARY)).toBe(0);
  });

  it("does not queue what is queued already", () => {
    wake(arena, 3);
    post(arena, 3);
    expect<u32>(drain(arena)).toBe(0);
    expect<u64>(pollAll(arena)).toBe(3);
  });

  it("bears a summary that says too much", () => {
    post(arena, 3);
    store<u64>(<usize>arena + INBOX_TOP, -1);
    store<u64>(<usize>arena + INBOX_SUMMARY, -1);
    expect<u32>(drain(arena)).toBe(1);
  });

  it("ignores units of segments that do not exist", () => {
    expect(post(arena, 16384)).toBe(false);
    expect(post(arena, -1)).toBe(false);
  });
});
