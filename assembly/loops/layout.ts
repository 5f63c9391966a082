// Where everything is that the threads of a guest share (index.ts says what it is). JavaScript, too, writes into the main thread's box
// (bindings/guest/waker.ts).
//
// Compiled by both asc and tsc, so it holds only `export const` integers.

export const NIL = -1;

// ---- root: one for each guest. All u32 unless it says otherwise.
/** OPEN, SHUT, and once all threads are out EMPTIED: see door.ts. */
export const ROOT_STATE = 0;
export const OPEN = 0;
export const SHUT = 1;
export const EMPTIED = 2;
/** Calls in progress of threads that run no loop, and threads that run one. */
export const ROOT_INSIDE = 4;
export const SLAB_LOCK = 8;
/** Index of a free task + 1, or 0. */
export const SLAB_FREE = 12;
/** Indices from here on were never used. */
export const SLAB_FRESH = 16;
export const TIMER_LOCK = 20;
export const TIMER_COUNT = 24;
export const TIMER_CAPACITY = 28;
/** Entries of { when: f64, task: i32, id: u32 }, the earliest first. */
export const TIMER_HEAP = 32;
/** By id: its place in the heap; free ones: the next free id + 1, complemented. */
export const TIMER_PLACES = 36;
/** A free id + 1, or 0. */
export const TIMER_FREE = 40;
/** 1 while a thread is inside. */
export const BOX_LOCK = 44;
/** f64 bits: the earliest deadline. */
export const TIMER_NEXT = 48;
/** Wrap; masked when they address the box. */
export const BOX_HEAD = 56;
export const BOX_TAIL = 60;
/** 1: wakes were lost, every task of the main thread is to be woken. */
export const BOX_OVERFLOW = 64;
/** Changes when there is something in the box; the main thread waits on it. */
export const BOX_SIGNAL = 68;
/** Address of the loop made last, and of one that was freed, or 0. */
export const LOOPS = 72;
export const LOOPS_FREE = 76;
/** f64 */
export const TIME_BASE = 80;
/** f64 bits: the latest tick that has fired; stored inside TIMER_LOCK. */
export const TIME_SEEN = 88;
/** 64 addresses of chunks of tasks. */
export const CHUNKS = 96;
/** Handles. */
export const BOX = CHUNKS + 64 * 4;
export const BOX_CAPACITY = 1024;
export const ROOT_BYTES = BOX + BOX_CAPACITY * 4;

// ---- task
export const TASK_STATE = 0;
/** Index + 1. */
export const TASK_NEXT = 4;
export const TASK_FN = 8;
export const TASK_ARG = 12;
export const TASK_RESULT = 16;
/** Handle to wake at the end, or NIL. */
export const TASK_WAITER = 20;
export const TASK_LOOP = 24;
export const TASK_BYTES = 32;
export const CHUNK_SHIFT = 10;
export const CHUNK_TASKS = 1 << CHUNK_SHIFT;
export const TASKS_MAX = 65536;

// ---- loop
/** GOING, STOPPED, FREEING or FREED: see home.ts. */
export const LOOP_STATE = 0;
export const GOING = 0;
export const STOPPED = 1;
export const FREEING = 2;
export const FREED = 3;
export const LOOP_LOCK = 4;
/** Injector: index + 1. */
export const LOOP_FIRST = 8;
export const LOOP_LAST = 12;
export const LOOP_QUEUED = 16;
export const LOOP_EPOCH = 20;
export const LOOP_SLEEPERS = 24;
export const LOOP_LIVE = 28;
/** The loop made before it. */
export const LOOP_NEXT = 32;
export const LOOP_RUNNERS = 36;
/** Another one that was freed, or 0. */
export const LOOP_NEXT_FREE = 40;
/** Addresses of rings, or 0. */
export const RINGS = 64;

// ---- ring
export const RING_OWNED = 0;
export const RING_HEAD = 4;
export const RING_TAIL = 8;
export const RING_SLOTS = 64;
