// Values as bytes in shared memory. Numbers and the other primitives have a form of their own; the rest is what
// the host clones (v8.serialize on servers), in pages JSON with tags for what JSON does not know.

import { builtinModule } from "../host.ts";
import { notCloneable } from "../workers/sendable.ts";
import { whole } from "../workers/inline.ts";
import { checkCopied } from "./copies.ts";

const UNDEFINED = 0;
const NULL = 1;
const TRUE = 2;
const FALSE = 3;
export const NUMBER = 4;
const STRING = 5;
const BYTES = 6;
const OBJECT = 7;

interface V8 {
  serialize(value: unknown): Uint8Array;
  deserialize(bytes: Uint8Array): unknown;
}
/** null before it is asked for: Node takes a millisecond to load it. */
let serializer: V8 | undefined | null = null;
const hostSerializer = (): V8 | undefined => (serializer === null ? (serializer = builtinModule<V8>("node:v8")) : serializer);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NOTHING = new Uint8Array(0);

/** A value taken apart: what it is, its number if it is one, else its bytes. */
export interface Encoded {
  kind: number;
  number: number;
  bytes: Uint8Array;
}

/** One for all: who encodes uses it up before the next does. */
const out: Encoded = { kind: UNDEFINED, number: 0, bytes: NOTHING };

function set(kind: number, bytes: Uint8Array = NOTHING): Encoded {
  out.kind = kind;
  out.bytes = bytes;
  return out;
}

/** @throws {TokiwaError} `TOKIWA_NOT_CLONEABLE` */
export function encode(value: unknown): Encoded {
  switch (typeof value) {
    case "number":
      out.number = value;
      return set(NUMBER);
    case "undefined":
      return set(UNDEFINED);
    case "boolean":
      return set(value ? TRUE : FALSE);
    case "string":
      return set(STRING, encoder.encode(value));
    case "function":
    case "symbol":
      throw notCloneable("the value");
    default:
  }
  if (value === null) return set(NULL);
  if (value instanceof Uint8Array && Object.getPrototypeOf(value) === Uint8Array.prototype) return set(BYTES, value);
  checkCopied(value);
  try {
    return set(OBJECT, hostSerializer()?.serialize(value) ?? encoder.encode(JSON.stringify(tag(value))));
  } catch (cause) {
    throw notCloneable("the value", cause);
  }
}

/** @param bytes a copy of its own */
export function decode(kind: number, number: number, bytes: Uint8Array): unknown {
  switch (kind) {
    case NUMBER:
      return whole(number);
    case NULL:
      return null;
    case TRUE:
      return true;
    case FALSE:
      return false;
    case STRING:
      return decoder.decode(bytes);
    case BYTES:
      return bytes;
    case OBJECT: {
      const v8 = hostSerializer();
      return v8 === undefined ? untag(JSON.parse(decoder.decode(bytes))) : v8.deserialize(bytes);
    }
    default:
      return undefined;
  }
}

// ---- pages: [type, content] for everything but strings, finite numbers, booleans and null

const VIEWS: Record<string, new (buffer: ArrayBuffer) => ArrayBufferView> = {
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView,
};

function tag(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0) ? value : ["number", Object.is(value, -0) ? "-0" : String(value)];
  if (value === undefined) return ["undefined"];
  if (typeof value === "bigint") return ["bigint", String(value)];
  if (typeof value !== "object") throw notCloneable("a part of the value");
  if (Array.isArray(value)) return ["array", value.map(tag)];
  if (value instanceof Date) return ["date", value.getTime()];
  if (value instanceof Map) return ["map", [...value].map(([k, v]) => [tag(k), tag(v)])];
  if (value instanceof Set) return ["set", [...value].map(tag)];
  if (ArrayBuffer.isView(value)) return ["view", value.constructor.name, [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]];
  if (value instanceof ArrayBuffer) return ["buffer", [...new Uint8Array(value)]];
  return ["object", Object.entries(value).map(([k, v]) => [k, tag(v)])];
}

function untag(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  const [type, content, more] = value as [string, never, number[]];
  switch (type) {
    case "number":
      return Number(content);
    case "bigint":
      return BigInt(content);
    case "array":
      return (content as unknown[]).map(untag);
    case "date":
      return new Date(content as number);
    case "map":
      return new Map((content as [unknown, unknown][]).map(([k, v]) => [untag(k), untag(v)]));
    case "set":
      return new Set((content as unknown[]).map(untag));
    case "view":
      return new (VIEWS[content as string] ?? Uint8Array)(Uint8Array.from(more).buffer);
    case "buffer":
      return Uint8Array.from(content as number[]).buffer;
    case "object":
      return Object.fromEntries((content as [string, unknown][]).map(([k, v]) => [k, untag(v)]));
    default:
      return undefined;
  }
}
