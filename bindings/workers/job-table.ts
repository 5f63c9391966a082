// Jobs by number, without a Map: an array that is at least twice as long as there are jobs.
//
// Numbers go up by one, so that a batch is mostly one run of them; one whose place is still taken by an older job is skipped.

const FIRST_SIZE = 64;
const MAX_NUMBER = 0x3fffffff;

export class JobTable<J extends { id: number }> {
  #places: (J | undefined)[] = new Array<J | undefined>(FIRST_SIZE).fill(undefined);
  #last = 0;
  size = 0;

  /** Numbers a job and keeps it. */
  add(job: J): void {
    if (this.size * 2 >= this.#places.length) this.#grow();
    const places = this.#places;
    const mask = places.length - 1;
    let id = this.#last;
    do id = (id + 1) & MAX_NUMBER;
    while (places[id & mask] !== undefined);
    this.#last = job.id = id;
    places[id & mask] = job;
    this.size++;
  }

  #grow(): void {
    const places = new Array<J | undefined>(this.#places.length * 2).fill(undefined);
    for (const job of this.#places) if (job !== undefined) places[job.id & (places.length - 1)] = job;
    this.#places = places;
  }

  get(id: number): J | undefined {
    const job = this.#places[id & (this.#places.length - 1)];
    return job?.id === id ? job : undefined;
  }

  /** The job, which is kept no longer. */
  take(id: number): J | undefined {
    const job = this.get(id);
    if (job !== undefined) this.remove(job);
    return job;
  }

  remove(job: J): void {
    this.#places[job.id & (this.#places.length - 1)] = undefined;
    this.size--;
  }

  /** All of them, by number. */
  all(): J[] {
    return this.#places.filter((job) => job !== undefined).sort((a, b) => a.id - b.id);
  }

  clear(): void {
    this.#places.fill(undefined);
    this.size = 0;
  }
}
