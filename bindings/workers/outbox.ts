// Answers on their way to the parent: runs of jobs with successive numbers, one message for all that have come together.

import { packError } from "./errors-wire.ts";
import { notCloneable } from "./sendable.ts";
import { ANSWERS_START, eachAnswer, REJECTED, type Status } from "./wire.ts";

/** Takes answers as a message has them, see wire.ts. */
export type PostAnswers = (answers: unknown[], transfer?: Transferable[]) => void;

export class Outbox {
  readonly #post: PostAnswers;
  readonly #isOfRecords: boolean;
  #answers: unknown[] = [0];
  #run = -1;
  #runNext = 0;
  /** What to transfer, by the place of the value it belongs to. */
  #transfers: Map<number, Transferable[]> | undefined;

  /** @param isOfRecords what add() is given as `micros` is the generation of a record, and must be the same in a run */
  constructor(post: PostAnswers, isOfRecords = false) {
    this.#post = post;
    this.#isOfRecords = isOfRecords;
  }

  get isEmpty(): boolean {
    return this.#answers.length === ANSWERS_START;
  }

  /** @param micros how long it held this worker */
  add(id: number, status: Status, value: unknown, micros: number, transfer?: Transferable[]): void {
    const answers = this.#answers;
    const run = this.#run;
    if (run >= 0 && id === this.#runNext && answers[run] === status && (!this.#isOfRecords || answers[run + 1] === micros)) (answers[run + 3] as number)++;
    else {
      this.#run = answers.length;
      answers.push(status, micros, id, 1);
    }
    this.#runNext = id + 1;
    if (transfer !== undefined && transfer.length > 0) (this.#transfers ??= new Map()).set(answers.length, transfer);
    answers.push(value);
  }

  flush(started: number): void {
    const answers = this.#answers;
    const transfers = this.#transfers;
    this.#answers = [0];
    this.#run = -1;
    this.#transfers = undefined;
    answers[0] = started;
    try {
      this.#post(answers, transfers === undefined ? undefined : [...transfers.values()].flat());
    } catch {
      this.#flushOneByOne(answers, transfers, started);
    }
  }

  /** One of the results cannot be cloned: it fails its own task only. */
  #flushOneByOne(answers: unknown[], transfers: Map<number, Transferable[]> | undefined, started: number): void {
    eachAnswer(answers, ANSWERS_START, (id, status, micros, value, at) => {
      try {
        this.#post([started, status, micros, id, 1, value], transfers?.get(at));
      } catch (error) {
        this.#post([started, REJECTED, micros, id, 1, packError(notCloneable("the result", error))]);
      }
    });
  }
}
