import {
  ARENA_BATCH_COUNT, ARENA_GUESTS, ARENA_GUEST_POLLS, COMPLETE, DONE, FN_MAX, GUEST_DONE, INDEX_BITS, INDEX_MASK, POLL_PENDING, POLL_READY, POLL_YIELD, JOINABLE, RESULT_CANCELLED, WATCHED, YIELD,
} from "../../assembly/layout";
import {
  guestFailed, guestNew, isLive, live, look, ready, spawn, timerInsert, timersGrow, turn, unitFree, unitNew, unitsGrow, wake,
} from "../../assembly/index";
import { abortGuest, guestState, joinGuest } from "../../assembly/guest";
import { argPtr } from "../../assembly/slab";
import { batchWord, beginPoll, newArena, setResult } from "./support";

let arena: u32 = 0;
/** What was polled, in order: the args of guests. */
let trace: u64 = 0;
let lastHandle: u32 = 0;

function note(arg: u32, handle: u32): void {
  trace = trace * 10 + arg;
  lastHandle = handle;
}

function pend(arg: u32, handle: u32): i32 {
  note(arg, handle);
  return POLL_PENDING;
}

function finish(arg: u32, handle: u32): i32 {
  note(arg, handle);
  return POLL_READY;
}

function fail(arg: u32, handle: u32): i32 {
  note(arg, handle);
  return -7;
}

function yieldOnce(arg: u32, handle: u32): i32 {
  note(arg, handle);
  return (trace / 10) % 10 == arg ? POLL_READY : POLL_YIELD;
}

/** Doubles the tables and fills them while the core is in the middle of its loop. */
function growAll(arg: u32, handle: u32): i32 {
  note(arg, handle);
  while (unitNew(arena) >= 0) {}
  assert(unitsGrow(arena) == 1);
  assert(timersGrow(arena) == 1);
  assert(timerInsert(arena, 10, handle) >= 0);
  for (let i = 0; i < 3; i++) assert(spawn(arena) >= 0);
  return POLL_PENDING;
}

function endItself(arg: u32, handle: u32): i32 {
  note(arg, handle);
  unitFree(arena, handle);
  unitNew(arena); // may not get the slot yet
  return POLL_READY;
}

function wakeItself(arg: u32, handle: u32): i32 {
  note(arg, handle);
  wake(arena, handle);
  return trace < 100 ? POLL_PENDING : POLL_READY;
}

function turnInside(arg: u32, handle: u32): i32 {
  note(arg, handle);
  assert(turn(arena, 0, 256) == 0);
  return POLL_READY;
}

function crash(arg: u32, handle: u32): i32 {
  note(arg, handle);
  unreachable();
  return 0;
}

let pollsBefore: u32 = 0;

/** Guest polls since the last call. */
function pollsOfTurn(): u32 {
  const before = pollsBefore;
  pollsBefore = load<u32>(<usize>arena + ARENA_GUEST_POLLS);
  return pollsBefore - before;
}

function result(handle: u32): i32 {
  return load<i32>(argPtr(arena, handle & INDEX_MASK));
}

describe("turn", () => {
  beforeEach(() => {
    arena = newArena();
    trace = 0;
  });

  it("leaves what was not polled at the front", () => {
    for (let i = 0; i < 4; i++) spawn(arena);
    expect<u32>(turn(arena, 0, 3)).toBe(3);
    expect<u32>(beginPoll(arena, 0)).toBe(0);
    setResult(arena, 0, YIELD);
    expect<u32>(turn(arena, 1, 256)).toBe(3);
    expect<u32>(batchWord(arena, 0)).toBe(1);
    expect<u32>(batchWord(arena, 1)).toBe(2);
    expect<u32>(batchWord(arena, 2)).toBe(3);
    expect<u32>(ready(arena)).toBe(4);
  });

  it("gives no more than asked for of a batch that is longer", () => {
    for (let i = 0; i < 4; i++) spawn(arena);
    expect<u32>(turn(arena, 0, 4)).toBe(4);
    expect<u32>(turn(arena, 0, 2)).toBe(2);
    expect<u32>(load<u32>(<usize>arena + ARENA_BATCH_COUNT)).toBe(4);
    expect<u32>(turn(arena, 0, 256)).toBe(4);
  });

  it("ends a unit that says DONE, and skips those that ended in the queue", () => {
    const first = spawn(arena);
    const second = spawn(arena);
    unitFree(arena, second);
    expect<u32>(turn(arena, 0, 256)).toBe(1);
    beginPoll(arena, 0);
    setResult(arena, 0, DONE);
    expect<u32>(turn(arena, 1, 256)).toBe(0);
    expect<u32>(isLive(arena, first)).toBe(0);
    expect<u32>(live(arena)).toBe(0);
    expect<i32>(unitNew(arena)).toBe(first | (1 << INDEX_BITS));
    expect<i32>(unitNew(arena)).toBe(second | (1 << INDEX_BITS));
  });
});

describe("guests", () => {
  beforeEach(() => {
    arena = newArena();
    trace = 0;
  });

  it("are polled with their argument and handle, as often as they are woken", () => {
    const guest = guestNew(arena, pend.index, 5, WATCHED);
    pollsOfTurn();
    expect<u32>(turn(arena, 0, 256)).toBe(0);
    expect<u32>(lastHandle).toBe(guest);
    expect<u32>(pollsOfTurn()).toBe(1);
    expect<u32>(turn(arena, 0, 256)).toBe(0);
    expect<u32>(pollsOfTurn()).toBe(0);
    wake(arena, guest);
    wake(arena, guest);
    turn(arena, 0, 256);
    expect<u64>(trace).toBe(55);
    expect<u32>(ready(arena)).toBe(0);
  });

  it("tell JavaScript when they end, with their result", () => {
    const good = guestNew(arena, finish.index, 1, WATCHED);
    const bad = guestNew(arena, fail.index, 2, WATCHED);
    expect<u32>(turn(arena, 0, 256)).toBe(2);
    expect<u32>(batchWord(arena, 0)).toBe(good | GUEST_DONE);
    expect<u32>(batchWord(arena, 1)).toBe(bad | GUEST_DONE);
    expect<i32>(result(good)).toBe(POLL_READY);
    expect<i32>(result(bad)).toBe(-7);
    expect<u32>(isLive(arena, good)).toBe(0);
    expect<i32>(unitNew(arena)).toBe(2); // their slots are held until the words are settled
    expect<u32>(turn(arena, 2, 256)).toBe(0);
    expect<i32>(unitNew(arena)).toBe(bad | (1 << INDEX_BITS));
  });

  it("keep their place between units of JavaScript", () => {
    guestNew(arena, pend.index, 1, WATCHED);
    guestNew(arena, pend.index, 2, WATCHED);
    const script = spawn(arena);
    const other = spawn(arena);
    guestNew(arena, pend.index, 3, WATCHED);
    const last = spawn(arena);
    expect<u32>(turn(arena, 0, 256)).toBe(2);
    expect<u64>(trace).toBe(12);
    expect<u32>(batchWord(arena, 0)).toBe(script);
    expect<u32>(batchWord(arena, 1)).toBe(other);
    beginPoll(arena, 0);
    expect<u32>(turn(arena, 1, 256)).toBe(1); // one is still to be polled, before guest 3
    expect<u64>(trace).toBe(12);
    beginPoll(arena, 0);
    expect<u32>(turn(arena, 1, 256)).toBe(1);
    expect<u64>(trace).toBe(123);
    expect<u32>(batchWord(arena, 0)).toBe(last);
  });

  it("that ended do not stop the next guests, but do count towards the batch", () => {
    for (let i = 1; i < 6; i++) guestNew(arena, finish.index, i, WATCHED);
    expect<u32>(turn(arena, 0, 3)).toBe(3);
    expect<u64>(trace).toBe(123);
    expect<u32>(turn(arena, 3, 256)).toBe(2);
    expect<u64>(trace).toBe(12345);
  });

  it("are polled at most as often as asked for", () => {
    pollsOfTurn();
    for (let i = 1; i < 6; i++) guestNew(arena, pend.index, i, WATCHED);
    expect<u32>(turn(arena, 0, 2)).toBe(0);
    expect<u32>(pollsOfTurn()).toBe(2);
    expect<u32>(ready(arena)).toBe(3);
  });

  it("that yield run again behind what is in the ring", () => {
    guestNew(arena, yieldOnce.index, 4, WATCHED);
    guestNew(arena, pend.index, 7, WATCHED);
    expect<u32>(turn(arena, 0, 256)).toBe(1);
    expect<u64>(trace).toBe(4744);                          // it yields until it was the last to run, too
  });

  it("that yield wait behind units that have yielded before", () => {
    const unit = spawn(arena);
    guestNew(arena, yieldOnce.index, 4, WATCHED);
    expect<u32>(turn(arena, 0, 256)).toBe(1);
    beginPoll(arena, 0);
    setResult(arena, 0, YIELD);
    expect<u32>(turn(arena, 1, 256)).toBe(0);               // the guest is polled, and goes behind the unit
    expect<u32>(look(arena, 0)).toBe(2);
    expect<u32>(turn(arena, 0, 256)).toBe(1);
    expect<u32>(batchWord(arena, 0)).toBe(unit & INDEX_MASK);
    expect<u64>(trace).toBe(4);
  });

  it("may make every table grow while they are polled", () => {
    const grower = guestNew(arena, growAll.index, 1, WATCHED);
    guestNew(arena, pend.index, 2, WATCHED);
    expect<u32>(turn(arena, 0, 256)).toBe(3);
    expect<u64>(trace).toBe(12);
    expect<u32>(beginPoll(arena, 0)).toBe(64);
    expect<u32>(beginPoll(arena, 1)).toBe(65);
    expect<u32>(beginPoll(arena, 2)).toBe(66);
    turn(arena, 3, 0);
    expect<u32>(look(arena, 10)).toBe(1);
    expect<u32>(isLive(arena, grower)).toBe(1);
    expect<u32>(ready(arena)).toBe(1);
  });

  it("that end themselves are not told of, and their slot is free afterwards", () => {
    const guest = guestNew(arena, endItself.index, 1, WATCHED);
    expect<u32>(turn(arena, 0, 256)).toBe(0);
    expect<u32>(isLive(arena, guest)).toBe(0);
    expect<u32>(live(arena)).toBe(1);
    expect<i32>(unitNew(arena)).toBe(guest | (1 << INDEX_BITS));
  });

  it("that wake themselves are queued again at the back", () => {
    guestNew(arena, wakeItself.index, 1, WATCHED);
    guestNew(arena, pend.index, 2, WATCHED);
    expect<u32>(turn(arena, 0, 256)).toBe(1);
    expect<u64>(trace).toBe(121);
    expect<u32>(turn(arena, 1, 256)).toBe(0);
    expect<u32>(ready(arena)).toBe(0);
    expect<u32>(live(arena)).toBe(1);
  });

  it("cannot drive", () => {
    guestNew(arena, turnInside.index, 1, WATCHED);
    expect<u32>(turn(arena, 0, 256)).toBe(1);
  });

  it("that trap leave the arena usable, and what ended before them is not lost", () => {
    const good = guestNew(arena, finish.index, 1, WATCHED);
    const bad = guestNew(arena, crash.index, 2, WATCHED);
    guestNew(arena, finish.index, 3, WATCHED);
    expect(() => {
      turn(arena, 0, 256);
    }).toThrow();
    expect<u32>(turn(arena, 0, 256)).toBe(0);
    expect<i32>(guestFailed(arena)).toBe(bad);
    expect<i32>(guestFailed(arena)).toBe(-1);
    expect<u32>(isLive(arena, bad)).toBe(0);
    expect<u32>(turn(arena, 0, 256)).toBe(2);
    expect<u32>(batchWord(arena, 0)).toBe(good | GUEST_DONE);
    expect<u64>(trace).toBe(123);
    turn(arena, 2, 0);
    expect<u32>(live(arena)).toBe(0);
  });

  it("end in silence when nobody watches, and keep their result for who joins", () => {
    const quiet = guestNew(arena, finish.index, 1, 0);
    const kept = guestNew(arena, finish.index, 2, JOINABLE);
    expect<u32>(turn(arena, 0, 256)).toBe(0);
    expect<u32>(live(arena)).toBe(0);
    expect<u32>(load<u32>(<usize>arena + ARENA_GUESTS)).toBe(0);
    expect<u32>(guestState(arena, quiet)).toBe(0);
    expect<bool>((guestState(arena, kept) & <u32>COMPLETE) != 0).toBe(true);
    expect<i32>(joinGuest(arena, kept)).toBe(result(kept));
    expect<u32>(guestState(arena, kept)).toBe(0);
  });

  it("that are aborted get one last poll with the handle complemented", () => {
    const guest = guestNew(arena, pend.index, 5, JOINABLE);
    turn(arena, 0, 256);
    expect<bool>(abortGuest(arena, guest)).toBe(true);
    turn(arena, 0, 256);
    expect<i32>(<i32>lastHandle).toBe(~guest);
    expect<i32>(joinGuest(arena, guest)).toBe(RESULT_CANCELLED);
    expect<bool>(abortGuest(arena, guest)).toBe(false);
  });

  it("are refused with a table index that does not fit", () => {
    expect<i32>(guestNew(arena, FN_MAX + 1, 0, WATCHED)).toBe(-2);
  });
});
