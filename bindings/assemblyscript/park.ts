// What a suspended task of a collected module still refers to.
//
// The collector of --runtime incremental finds references on a stack in memory, one for the whole module. Before a
// task suspends, its part of that stack is moved into an array that a global holds, and the stack is left as
// the task found it; after it is resumed the part is put back, wherever the stack ends then. Frames are addressed
// from the stack's pointer, so they may move. Objects do not move.

import { OBJECT, TOTAL_OVERHEAD } from "rt/common";
import * as raw from "./raw";

type References = StaticArray<Object | null>;

const parked = new Array<References | null>();
const free = new Array<i32>();

if (ASC_RUNTIME == 2) {
  const get = (): usize => __stack_pointer;
  const set = (pointer: usize): void => {
    __stack_pointer = pointer;
  };
  raw.tk_shadow_stack(get.index, set.index);
} else {
  raw.tk_no_stack();                                        // such a module keeps no stack in its memory
}

// park() and unpark(), and whoever calls them, keep no reference across the calls, so that they have no frame of their
// own on the stack that they move.

/** Takes the running task's references off the stack. @returns where they are, or -1: nothing was moved */
export function park(): i32 {
  if (ASC_RUNTIME != 2 || raw.tk_current() < 0) return -1;
  const end = raw.tk_idle_stack();
  const place = save(__stack_pointer, end);
  __stack_pointer = end;
  return place;
}

/** Puts back what park() took. */
export function unpark(place: i32): void {
  if (ASC_RUNTIME != 2 || place < 0) return;
  const from = addressOf(place);
  const bytes = <usize>changetype<OBJECT>(from - TOTAL_OVERHEAD).rtSize;
  __stack_pointer -= bytes;
  memory.copy(__stack_pointer, from, bytes);
  forget(place);
}

function save(start: usize, end: usize): i32 {
  const count = <i32>((end - start) / sizeof<usize>());
  const references = new StaticArray<Object | null>(count);
  for (let i = 0; i < count; i++) unchecked(references[i] = changetype<Object | null>(load<usize>(start + <usize>i * sizeof<usize>())));
  if (free.length == 0) return parked.push(references) - 1;
  const place = free.pop();
  parked[place] = references;
  return place;
}

function addressOf(place: i32): usize {
  return load<usize>(parked.dataStart + <usize>place * sizeof<usize>());
}

function forget(place: i32): void {
  parked[place] = null;
  free.push(place);
}
