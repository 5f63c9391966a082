import { ARENA_PARKED, PARKED, RUNNING, WOKEN } from "../../assembly/layout";
import { prepare, resume, rouse, sleep, wakeFromAnywhere } from "../../assembly/park";
import { wake } from "../../assembly/index";
import { newArenaWith, pollAll } from "./support";

let arena: u32 = 0;

function word(): u32 {
  return load<u32>(<usize>arena + ARENA_PARKED);
}

describe("parking", () => {
  beforeEach(() => {
    arena = newArenaWith(4);
  });

  it("is refused while something is ready", () => {
    wake(arena, 1);
    expect(prepare(arena)).toBe(false);
    expect<u32>(word()).toBe(RUNNING);
    pollAll(arena);
    wakeFromAnywhere(arena, 1);
    expect(prepare(arena)).toBe(false);
    expect<u32>(word()).toBe(RUNNING);
  });

  it("ends at once when a wake came between announcing and sleeping", () => {
    expect(prepare(arena)).toBe(true);
    expect<u32>(word()).toBe(PARKED);
    expect(wakeFromAnywhere(arena, 2)).toBe(true);
    expect<u32>(word()).toBe(WOKEN);
    expect(sleep(arena, Infinity)).toBe(false);
    resume(arena);
    expect<u32>(word()).toBe(RUNNING);
  });

  it("ends when its time is up", () => {
    prepare(arena);
    expect(sleep(arena, 1)).toBe(true);
    expect(sleep(arena, -1)).toBe(true);
    resume(arena);
  });

  it("is ended by one rouse() only", () => {
    expect(rouse(arena)).toBe(false);
    prepare(arena);
    expect(rouse(arena)).toBe(true);
    expect(rouse(arena)).toBe(false);
    resume(arena);
  });
});
