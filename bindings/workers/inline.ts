// Small values in the record of a job: numbers, booleans, null, undefined, short strings and small arrays of numbers.
//
//   kinds  four bits for each value, the first one lowest; 0 ends the list
//   cells  what a value needs of them, one after the other:
//            NUMBER   the number
//            STRING   its length in the first half of a cell, UTF-16 from the second half on
//            NUMBERS  how many, and each
//
// Everything else goes by a port, as a structured clone.

import { RECORD_BYTES, RECORD_CELL_COUNT, RECORD_CELLS, RECORD_KINDS } from "../../assembly/pool-layout.ts";

const UNDEFINED = 1;
const NULL = 2;
const TRUE = 3;
const FALSE = 4;
const NUMBER = 5;
const STRING = 6;
const NUMBERS = 7;

const KIND_BITS = 4;
const MAX_VALUES = 7;
/** In characters: what is longer is not even measured. */
const MAX_STRING = (RECORD_CELL_COUNT * 8 - 4) / 2;

/** One memory, as these values see it. */
export interface Cells {
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly u16: Uint16Array;
}

// The cell that is written or read next, and the end.
let at = 0;
let end = 0;

function begin(record: number): void {
  at = (record + RECORD_CELLS) >> 3;
  end = (record + RECORD_BYTES) >> 3;
}

/** @returns the kind, or 0: it cannot be here, or there is no room */
function write(cells: Cells, value: unknown): number {
  switch (typeof value) {
    case "number":
      if (at === end) return 0;
      cells.f64[at++] = value;
      return NUMBER;
    case "undefined":
      return UNDEFINED;
    case "boolean":
      return value ? TRUE : FALSE;
    case "string":
      return writeString(cells, value);
    case "object":
      if (value === null) return NULL;
      return Array.isArray(value) ? writeNumbers(cells, value) : 0;
    default:
      return 0;
  }
}

function writeString(cells: Cells, value: string): number {
  const { length } = value;
  if (length > MAX_STRING) return 0;
  const next = at + ((length * 2 + 4 + 7) >> 3);
  if (next > end) return 0;
  cells.i32[at << 1] = length;
  const { u16 } = cells;
  const start = (at << 2) + 2;
  for (let i = 0; i < length; i++) u16[start + i] = value.charCodeAt(i);
  at = next;
  return STRING;
}

/** Only what a clone of the array would be too: no holes, no other properties, no class of its own. */
function writeNumbers(cells: Cells, value: unknown[]): number {
  const { length } = value;
  if (length >= end - at || Object.getPrototypeOf(value) !== Array.prototype || Object.keys(value).length !== length) return 0;
  const { f64 } = cells;
  f64[at] = length;
  for (let i = 0; i < length; i++) {
    const inner = value[i];
    if (typeof inner !== "number") return 0;
    f64[at + 1 + i] = inner;
  }
  at += length + 1;
  return NUMBERS;
}

/** Writes all values. @returns false when one of them cannot be here */
export function writeAll(cells: Cells, record: number, values: readonly unknown[]): boolean {
  const { length } = values;
  if (length > MAX_VALUES) return false;
  begin(record);
  let kinds = 0;
  for (let i = 0; i < length; i++) {
    const kind = write(cells, values[i]);
    if (kind === 0) return false;
    kinds |= kind << (i * KIND_BITS);
  }
  cells.i32[(record + RECORD_KINDS) >> 2] = kinds;
  return true;
}

export function writeOne(cells: Cells, record: number, value: unknown): boolean {
  begin(record);
  const kind = write(cells, value);
  if (kind === 0) return false;
  cells.i32[(record + RECORD_KINDS) >> 2] = kind;
  return true;
}

/** What comes from a Float64Array is a double to V8, and a loop over it stays one in doubles: whole numbers are made whole again. */
export function whole(value: number): number {
  const integer = value | 0;
  return integer === value && (integer !== 0 || 1 / value > 0) ? integer : value;
}

function read(cells: Cells, kind: number): unknown {
  switch (kind) {
    case NUMBER:
      return whole(cells.f64[at++] as number);
    case NULL:
      return null;
    case TRUE:
      return true;
    case FALSE:
      return false;
    case STRING:
      return readString(cells);
    case NUMBERS: {
      const length = cells.f64[at] as number;
      const first = at + 1;
      at = first + length;
      return Array.from(cells.f64.subarray(first, at), whole);
    }
    default:
      return undefined;
  }
}

function readString(cells: Cells): string {
  const length = cells.i32[at << 1] as number;
  const start = (at << 2) + 2;
  at += (length * 2 + 4 + 7) >> 3;
  let text = "";
  for (let i = 0; i < length; i++) text += String.fromCharCode(cells.u16[start + i] as number);
  return text;
}

export function readAll(cells: Cells, record: number): unknown[] {
  begin(record);
  const values: unknown[] = [];
  for (let kinds = (cells.i32[(record + RECORD_KINDS) >> 2] as number) >>> 0; kinds !== 0; kinds >>>= KIND_BITS) values.push(read(cells, kinds & 15));
  return values;
}

export function readOne(cells: Cells, record: number): unknown {
  begin(record);
  return read(cells, (cells.i32[(record + RECORD_KINDS) >> 2] as number) & 15);
}
