// Delivered jobs, oldest first, as the messages they came in: a job is an object only once it starts and does not end at once.

import { type Definition, JOB_HEADER, JOBS_START } from "./wire.ts";

/** One message: the place of the next job in it. */
interface Batch {
  readonly jobs: unknown[];
  /** Jobs that are left. */
  left: number;
  /** Of the current run. */
  definition: number;
  arity: number;
  nextId: number;
  runLeft: number;
  /** Where the next job's arguments are, or the next run's header. */
  at: number;
}

export class Incoming {
  /** The job that `next()` has found. */
  id = 0;
  definition!: Definition;
  args!: unknown[];
  /** Its arguments are packed: there are shared primitives among them. */
  hasShared = false;
  length = 0;
  readonly #definitions = new Map<number, Definition>();
  #batches: Batch[] = [];
  #head = 0;

  /** @param jobs the message, see wire.ts */
  add(jobs: unknown[]): void {
    const count = jobs[0] as number;
    const definitions = jobs[2] as Definition[] | undefined;
    if (definitions !== undefined) for (const definition of definitions) this.#definitions.set(definition.id, definition);
    this.#batches.push({ jobs, left: count, definition: 0, arity: 0, nextId: 0, runLeft: 0, at: JOBS_START });
    this.length += count;
  }

  /** Takes the oldest. Only when there is one. */
  next(): void {
    const batch = this.#front();
    if (batch.runLeft === 0) this.#openRun(batch);
    const { jobs, arity, at } = batch;
    const size = arity < 0 ? -arity - 1 : arity;
    this.args = size === 0 ? [] : jobs.slice(at, at + size);
    this.hasShared = arity < 0;
    this.id = batch.nextId++;
    batch.at = at + size;
    batch.runLeft--;
    batch.left--;
    this.length--;
  }

  #front(): Batch {
    const batches = this.#batches;
    let batch = batches[this.#head] as Batch;
    while (batch.left === 0) {
      batches[this.#head++] = undefined as unknown as Batch;
      if (this.#head === batches.length || this.#head > 64) {
        batches.splice(0, this.#head);
        this.#head = 0;
      }
      batch = batches[this.#head] as Batch;
    }
    return batch;
  }

  #openRun(batch: Batch): void {
    const { jobs, at } = batch;
    batch.definition = jobs[at] as number;
    batch.arity = jobs[at + 1] as number;
    batch.nextId = jobs[at + 2] as number;
    batch.runLeft = jobs[at + 3] as number;
    batch.at = at + JOB_HEADER;
    this.definition = this.#definitions.get(batch.definition) as Definition;
  }

  /** Whether a job waits here. */
  has(id: number): boolean {
    return this.#batches.slice(this.#head).some((batch) => idsOf(batch).includes(id));
  }

  /** Drops the newest. @returns their numbers */
  dropLast(count: number): number[] {
    const dropped: number[] = [];
    for (let i = this.#batches.length - 1; i >= this.#head && dropped.length < count; i--) {
      const batch = this.#batches[i] as Batch;
      const ids = idsOf(batch).slice(Math.max(0, batch.left - (count - dropped.length)));
      batch.left -= ids.length;
      dropped.push(...ids);
    }
    this.length -= dropped.length;
    return dropped;
  }
}

/** The numbers of what is left. */
function idsOf({ jobs, left, arity, nextId, runLeft, at }: Batch): number[] {
  const ids: number[] = [];
  for (;;) {
    for (let k = 0; k < runLeft && ids.length < left; k++) ids.push(nextId + k);
    if (ids.length === left) return ids;
    at += runLeft * (arity < 0 ? -arity - 1 : arity);
    arity = jobs[at + 1] as number;
    nextId = jobs[at + 2] as number;
    runLeft = jobs[at + 3] as number;
    at += JOB_HEADER;
  }
}
