// Places in the core's table, where the core finds the functions of its guests.
//
// A task's state word has 16 bits for its function, so all guests of a thread share 65 536
// places. What a detached guest had is given to the next ones.

import { FN_MAX } from "../../assembly/layout.ts";
import type { Core } from "../core.ts";
import { TokiwaError } from "../errors.ts";

export interface TableRange {
  readonly first: number;
  readonly count: number;
}

const freeRanges = new WeakMap<Core, TableRange[]>();

function rangesOf(core: Core): TableRange[] {
  let ranges = freeRanges.get(core);
  if (ranges === undefined) freeRanges.set(core, (ranges = []));
  return ranges;
}

/** @throws {TokiwaError} `TOKIWA_TABLE_FULL` */
export function takeRange(core: Core, count: number): TableRange {
  const ranges = rangesOf(core);
  const at = ranges.findIndex((range) => range.count >= count);
  if (at >= 0) {
    const { first, count: room } = ranges[at] as TableRange;
    if (room === count) ranges.splice(at, 1);
    else ranges[at] = { first: first + count, count: room - count };
    return { first, count };
  }
  const { table } = core.exports;
  if (table.length + count > FN_MAX + 1) {
    throw new TokiwaError(
      "TOKIWA_TABLE_FULL",
      `the core's table has ${FN_MAX + 1 - table.length} places left, and the guest's table has ${count}: detach other guests, or run this one on another thread.`,
    );
  }
  return { first: table.grow(count), count };
}

/** Puts the functions of a table into a range, from `from` on. */
export function fillRange(core: Core, range: TableRange, source: WebAssembly.Table, from = 0): void {
  const { table } = core.exports;
  const end = Math.min(range.count, source.length);
  for (let i = from; i < end; i++) table.set(range.first + i, source.get(i));
}

export function giveRange(core: Core, range: TableRange): void {
  for (let i = 0; i < range.count; i++) core.exports.table.set(range.first + i, null);
  rangesOf(core).push(range);
}
