// The map of the memory that a pool of workers shares: who runs, who searches, and the jobs that nobody has started.
//
// Compiled by both asc and tsc, as layout.ts is. Thread 0 owns the pool, threads 1 to n are its workers.
//
//   pool      | header | injector's words | threads ... | mailboxes' cells ... | injector's cells | records ... |
//   thread    | state | deque | owner's words | mailbox's words | deque's places | scratch |
//
// Every thread has as many records as every other. Whoever spawns a job writes it into a record of its own, and gets the
// number of that record back through its mailbox when the job has ended.

export const POOL_INJECTOR = 64; //    two cache lines, see ring.ts
export const POOL_THREADS = 192;

// ---- thread
export const THREAD_STATE = 0; //      u32, see idle.ts
export const THREAD_DEQUE = 64; //     u64, see deque.ts
export const THREAD_RANDOM = 128; //   u32, owner only, like the next
export const THREAD_TICK = 132; //     u32
export const THREAD_DONE = 136; //     u32, jobs it has ended; for metrics
export const THREAD_MAILBOX = 192; //  two cache lines, see ring.ts
export const THREAD_PLACES = 320; //   256 x u32
export const DEQUE_CAPACITY = 256;
export const THREAD_SCRATCH = THREAD_PLACES + DEQUE_CAPACITY * 4; // record numbers on their way into or out of a ring
export const SCRATCH_CAPACITY = 512;
export const THREAD_BYTES = THREAD_SCRATCH + SCRATCH_CAPACITY * 4;

// ---- states of a thread
export const ABSENT = 0; //            not started, or dead
export const RUNNING_JOBS = 1;
export const SEARCHING = 2; //         looks for work, or was woken to do so
export const WOKEN_WITH_TASKS = 3; //  was woken to look for work, but a task of its own may hold it: nobody relies on it
export const ASLEEP = 4; //            will look again only when it is woken
export const ASLEEP_WITH_TASKS = 5; // so too, but a task of its own may hold it just then

/** What wakeOne() returns when nobody sleeps or searches, and some workers have not been started. */
export const NOBODY_YET = -2;

// ---- ring: producers and consumers have a lock each
export const RING_PUSH_LOCK = 0; //    u32, 0 or the number of a thread + 1
export const RING_TAIL = 4; //         u32, wraps
export const RING_POP_LOCK = 64; //    u32
export const RING_HEAD = 68; //        u32, wraps
/** An injector has room for each record twice: a death queues again what may still be queued. */
export const INJECTOR_FACTOR = 2;
/** At most so many records are taken from the injector at once. */
export const CHUNK_MAX = 128;

// ---- record of a job
export const RECORD_STATE = 0; //      u32, below; above bit 8 the thread that has started it
export const RECORD_GENERATION = 4; // u32, counts how often it was used; an abort that comes too late is known by it
export const RECORD_DEFINITION = 8; // u32, the number of the function in the thread that owns the record
export const RECORD_KINDS = 12; //     u32, four bits for each value: arguments, later the result (inline.ts)
export const RECORD_CELLS = 16; //     f64 ...
export const RECORD_CELL_COUNT = 14;
export const RECORD_BYTES = RECORD_CELLS + RECORD_CELL_COUNT * 8;

export const FREE = 0;
export const QUEUED = 1; //            its number is in a queue, or in the hands of a thread that lives
export const STARTED = 2;
export const CANCELLED_UNSTARTED = 3; // its number is still in a queue; whoever finds it there sends it back
export const ENDED = 4; //             above bit 8 the thread that had it, and the status (share.ts)
export const STATE_MASK = 255;
export const STATE_SHIFT = 8;
