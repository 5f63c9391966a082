// The map of the memory: every address, size, offset and bit the core uses.
//
// Compiled by both asc and tsc, so it holds only `export const` integers. Each place is
// derived from the one before it. Addresses are bytes, words are 32 bits.
//
//   memory    | guest or host bytes | heap header | regions ...                     |
//   arena     | header | parked | inbox | batch | wheel | inbox summary | inbox bits |   one region, never moves
//   units     | states | links | args | ring |       one region, moves when it doubles
//   timers    | entries | free ids |               one region, moves when it doubles
//   chunks    | region header | chunk | chunk ...    regions that never move

/** Changes whenever anything below does; in the first word of every arena. */
export const LAYOUT_VERSION = 3;

export const NIL = -1;

// ---- handles: generation << 22 | index. Thirty bits: never negative, always a small integer in JavaScript.
export const INDEX_BITS = 22;
export const INDEX_MASK = (1 << INDEX_BITS) - 1;
export const UNITS_MAX = 1 << INDEX_BITS;
export const UNITS_MIN = 64;
/** Slots whose generations have gone round are used again when there are so many of them. */
export const REST_MIN = 64;

// ---- state word of a unit. Who changes which bit, and when, is written in state.ts.
export const NOTIFIED = 1; //          in exactly one of ring, undelivered batch, deferred list
export const COMPLETE = 2; //          ended, or the slot is free
export const GUEST = 4; //             polled by the core through the table
export const HELD = 8; //              in the batch, or a guest unit being polled: the slot must not be released
export const JOINABLE = 16; //         a guest whose result somebody will fetch: the slot stays until then
export const WATCHED = 32; //          JavaScript wants to learn that this guest ended
export const CANCELLED = 64; //        a guest that gets one last poll, with its handle complemented
export const FN_SHIFT = 8; //          bits 8-23: table index of a guest's poll function; JavaScript's own bits in other units
export const FN_MAX = 65535;
export const GENERATION_SHIFT = 24; // bits 24-31
export const GENERATION_MASK = -1 << GENERATION_SHIFT;
/** From a handle's generation to the state word's. */
export const HANDLE_TO_STATE = GENERATION_SHIFT - INDEX_BITS;

// ---- batch words: index in bits 0-21, the flag and the result above it.
export const BATCH_MAX = 256;
export const GUEST_DONE = 1 << 29; //  not to be polled: this guest unit ended, its result is args[index]
export const YIELD = 1 << 30; //       written by JavaScript: ready again, behind everything else
export const DONE = 1 << 31; //        written by JavaScript: ended

// ---- what a guest's poll function returns; any other positive number counts as ready.
export const POLL_PENDING = 0;
export const POLL_READY = 1;
export const POLL_YIELD = 2;
/** Results of guests that did not end by themselves. */
export const RESULT_CANCELLED = -5;
export const RESULT_TRAPPED = -6;

// ---- the parked word
export const RUNNING = 0;
export const PARKED = 1;
export const WOKEN = 2;

// ---- heap: the region allocator's header, at the address given to heapInit
export const HEAP_LOCK = 0; //         u32, 1 while a thread is inside
export const HEAP_NEXT = 4; //         u32, first byte never given out
export const HEAP_LEFT = 8; //         u32, bytes from there on
export const HEAP_FIXED = 12; //       u32, 1 if the memory is another's, and must not be grown here
export const HEAP_FREE = 64; //        32 x u32, lists of free regions by the exponent of their size
export const HEAP_BYTES = HEAP_FREE + 32 * 4;
export const REGION_SHIFT = 10; //     the smallest region is 1 KiB; all are aligned to it
export const REGION_MIN = 1 << REGION_SHIFT;
export const PAGE_SHIFT = 16;
export const GROW_PAGES = 16; //       asked for at a time, so that views are rarely refreshed

// ---- arena: units
export const ARENA_VERSION = 0; //     u32
export const ARENA_HEAP = 4; //        u32, address of the heap header
export const ARENA_STATES = 8; //      u32, address; also that of the units' region
export const ARENA_LINKS = 12; //      u32, address
export const ARENA_ARGS = 16; //       u32, address
export const ARENA_RING = 20; //       u32, address
export const ARENA_CAPACITY = 24; //   u32, units; a power of two
export const ARENA_HEAD = 28; //       u32, wraps; masked when it addresses the ring
export const ARENA_TAIL = 32; //       u32, wraps
export const ARENA_FREE = 36; //       u32, index of the last released unit, or NIL
export const ARENA_FRESH = 40; //      u32, indices from here on were never used
export const ARENA_LIVE = 44; //       u32, units that are not COMPLETE, without the guests' (GUESTS)
export const ARENA_DEFER_HEAD = 48; // u32, index; rubbish while the count is 0, like the tail
export const ARENA_DEFER_TAIL = 52; // u32, index
export const ARENA_DEFER_COUNT = 56; // u32
export const ARENA_BATCH_COUNT = 60; // u32
export const ARENA_GUEST_POLLS = 64; // u32, guest polls of the runs that ended; wraps
export const ARENA_CURRENT = 68; //    i32, handle of the guest unit being polled, or NIL

// ---- arena: timers
export const ARENA_ELAPSED = 72; //    f64, the wheel's tick; for JavaScript
export const ARENA_TICK = 80; //       u64, the same for the core
export const ARENA_NEXT = 88; //       u64, tick of the next timer; 0: not known; all ones: there is none
export const ARENA_TIMERS = 96; //     u32, address or 0
export const ARENA_TIMER_CAPACITY = 100; // u32
export const ARENA_TIMER_FREE = 104; // u32, how many free ids there are
export const ARENA_TIMER_FRESH = 108; // u32, ids from here on were never used
export const ARENA_TIMER_COUNT = 112; // u32
export const ARENA_CHUNK_FREE = 116; // u32, address of a free chunk, or 0
export const ARENA_CHUNK_NEXT = 120; // u32, address of the first chunk never used
export const ARENA_CHUNK_END = 124; // u32, end of that region
export const ARENA_CHUNK_ROOM = 128; // u32, chunks, without those that are in a slot but not its last one
export const ARENA_CHUNK_REGIONS = 132; // u32, address of the newest chunk region, or 0
export const ARENA_CHUNK_TOTAL = 136; // u32, chunks in all

// ---- arena: guests
export const ARENA_GUESTS = 140; //    u32, guest units that are not COMPLETE
export const ARENA_DRIVING = 144; //   u32, not 0: what is queued now will be found. Written by JavaScript
export const ARENA_GUEST_RUN = 148; // u32, HEAD when the present run of guest polls began
export const ARENA_REST = 152; //      u32, index of the last unit whose generations have gone round, or NIL
export const ARENA_REST_COUNT = 156; // u32
export const DRIVING = 1; //           a drive is on the stack
export const DRIVE_AWAITED = 2; //     a drive is scheduled, or the program drives by itself

// ---- arena: what other threads touch, on cache lines of its own
export const ARENA_PARKED = 192; //    u32
export const INBOX_SEGMENTS = 256; //  9 x u32, addresses; written by the owner before a handle of that segment exists
export const INBOX_SEGMENT_COUNT = 9;
export const INBOX_TOP = 320; //       16 x u64, a bit per summary word
export const INBOX_TOP_WORDS = UNITS_MAX >> 18;
export const ARENA_BATCH = 512; //     256 x u32
export const WHEEL_OCCUPIED = ARENA_BATCH + BATCH_MAX * 4; // 6 x u64, a bit per slot
export const WHEEL_LEVELS = 6;
export const WHEEL_SLOTS = WHEEL_OCCUPIED + 64; // 384 x { first, last: u32 }
export const WHEEL_SLOT_COUNT = WHEEL_LEVELS * 64;
export const SLOT_FIRST = 0;
export const SLOT_LAST = 4;
export const INBOX_SUMMARY = WHEEL_SLOTS + WHEEL_SLOT_COUNT * 8; // 1024 x u64, a bit per word of bits
export const INBOX_FIRST = INBOX_SUMMARY + (UNITS_MAX >> 12) * 8; // the first segment: 256 x u64, a bit per unit
export const INBOX_FIRST_SHIFT = 14; // it covers 16 384 units, each later one as many as all before it
export const ARENA_BYTES = INBOX_FIRST + (1 << (INBOX_FIRST_SHIFT - 3));

// ---- units: four tables of one word per unit
export const UNIT_BYTES = 16;

// ---- timers: two tables of one word per id, the address of its entry, or FREE_TIMER, and a stack of free ids
export const TIMER_BYTES = 8;
export const FREE_TIMER = 1; //        no address: those are even
export const TIMERS_MIN = REGION_MIN / TIMER_BYTES;
export const TIMERS_MAX = 1 << 26;

export const CHUNK_SHIFT = 9;
export const CHUNK_BYTES = 1 << CHUNK_SHIFT;
export const CHUNK_NEXT = 0; //        u32, address or 0
export const CHUNK_PREVIOUS = 4; //    u32, address or 0
export const CHUNK_FILL = 8; //        u32, entries written | entries still live << 16
export const CHUNK_SLOT = 12; //       u32
export const CHUNK_ENTRIES = 16; //    41 x { timer, low 32 bits of when, target }
export const ENTRY_BYTES = 12;
export const ENTRY_TIMER = 0; //       u32, id; NIL when cancelled
export const ENTRY_WHEN = 4; //        u32
export const ENTRY_TARGET = 8; //      u32, handle
export const CHUNK_CAPACITY = ((CHUNK_BYTES - CHUNK_ENTRIES) / ENTRY_BYTES) | 0;
export const ONE_WRITTEN = 1;
export const ONE_LIVE = 1 << 16;

// ---- chunk regions: one chunk's place holds the link to the region before
export const CHUNK_REGION_MIN = 1 << 14;
export const CHUNK_REGION_MAX = 1 << 20;
