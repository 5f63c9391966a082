// Wakes from any thread: a set of bits, one per unit, with two levels of summaries.
//
//   bits     u64 per 64 units, in segments that never move
//   summary  u64 per 64 words of bits
//   top      u64 per 64 words of summary
//
// A waker sets bits upwards, and goes up only from a word that was empty: whoever made it not empty
// is on the way up. The owner takes words downwards, each by an exchange. So for every bit set
// either all words above it will say so, or the owner has taken it: a summary may say too much, never too
// little for longer than one waker's three steps. That waker looks at the parked word last (park.ts).
//
// A bit has no generation: a wake for a unit that ended may reach the next unit of its slot. Units
// must bear being woken for nothing.

import {
  ARENA_CAPACITY, INBOX_FIRST_SHIFT, INBOX_SEGMENTS, INBOX_SUMMARY, INBOX_TOP, INBOX_TOP_WORDS,
} from "./layout";
import { indexOf } from "./bits";
import { loadLong, setBits, takeBits } from "./sync";
import { notifyIndex } from "./state";
import { push } from "./queue";

/** Posts a wake. Any thread. @returns whether the caller must look at the parked word: it has set the top. */
export function post(arena: usize, handle: u32): bool {
  const index = indexOf(handle);
  const bits = bitsPtr(arena, index >> 6);
  if (bits == 0) return false;                              // no such unit was ever made
  if (setBits(bits, <u64>1 << (index & 63)) != 0) return false;      // pairs with takeBits() in drain()
  if (setBits(arena + INBOX_SUMMARY + (<usize>(index >> 12) << 3), <u64>1 << ((index >> 6) & 63)) != 0) return false;
  setBits(arena + INBOX_TOP + (<usize>(index >> 18) << 3), <u64>1 << ((index >> 12) & 63));
  return true;
}

/** Whether a wake has been posted. */
export function hasMail(arena: usize): bool {
  const words = topWords(arena);
  for (let i: u32 = 0; i < words; i++) {
    if (loadLong(arena + INBOX_TOP + (<usize>i << 3)) != 0) return true;     // pairs with setBits() in post()
  }
  return false;
}

/** Queues every unit with a posted wake. Owner thread only. @returns how many were queued. */
export function drain(arena: usize): u32 {
  const words = topWords(arena);
  let woken: u32 = 0;
  for (let i: u32 = 0; i < words; i++) {
    const top = arena + INBOX_TOP + (<usize>i << 3);
    if (loadLong(top) == 0) continue;                       // an exchange costs ten times a load
    for (let tops = takeBits(top); tops != 0; tops &= tops - 1) {
      const j = (i << 6) | <u32>ctz<u64>(tops);
      for (let summary = takeBits(arena + INBOX_SUMMARY + (<usize>j << 3)); summary != 0; summary &= summary - 1) {
        const word = (j << 6) | <u32>ctz<u64>(summary);
        for (let bits = takeBits(bitsPtr(arena, word)); bits != 0; bits &= bits - 1) {
          const index = (word << 6) | <u32>ctz<u64>(bits);
          if (notifyIndex(arena, index)) {
            push(arena, index);
            woken++;
          }
        }
      }
    }
  }
  return woken;
}

/** The top words that can have bits: none of units that do not exist. */
function topWords(arena: usize): u32 {
  return min<u32>((load<u32>(arena, ARENA_CAPACITY) + 0x3ffff) >> 18, INBOX_TOP_WORDS);
}

/** Address of a word of bits, or 0. Segment 0 has the first 256 words, segment n the 256 << (n - 1) after those before. */
function bitsPtr(arena: usize, word: u32): usize {
  const far = word >> (<u32>INBOX_FIRST_SHIFT - 6);
  const segment = 32 - clz<u32>(far);
  const base = <usize>load<u32>(arena + INBOX_SEGMENTS + (<usize>segment << 2));     // plain: see coverUnits() in slab.ts
  if (base == 0) return 0;
  const first = segment == 0 ? 0 : <u32>1 << (<u32>INBOX_FIRST_SHIFT - 6 + segment - 1);
  return base + (<usize>(word - first) << 3);
}
