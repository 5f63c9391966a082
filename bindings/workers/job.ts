// A job, seen from the thread that owns its pool: it waits in the queue, is delivered to a link, or is over.

import { JoinError } from "../errors.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import type { RemoteBody, Task } from "../task/task.ts";
import { type PackedError, packError, unpackError } from "./errors-wire.ts";
import { type Callback } from "../task/await.ts";
import { JobAwait } from "./job-await.ts";
import { type SendableFunction, unpackShared } from "./sendable.ts";
import { CANCELLED, FULFILLED, FULFILLED_SHARED, type Status } from "./wire.ts";

/** A pool as its jobs see it. */
export interface JobOwner {
  /** True when the job will not run at all. */
  abort(job: PlacedJob, reason: PackedError): boolean;
  forget(job: PlacedJob): void;
  jobEnded(): void;
  /** A job that a worker had offered is over. */
  offerEnded(job: Job): void;
}

/** The worker that has a job, or that offered it. */
export interface JobPlace {
  /** True when the job will not run at all. */
  abort(job: PlacedJob, reason: PackedError): boolean;
  answer(id: number, status: Status, value: unknown): void;
}

/** What is left of a job once it lies in a record of shared memory: it is light, for there may be thousands. */
export class PlacedJob implements RemoteBody {
  /** In its place, see JobTable. */
  id = 0;
  place: JobPlace | null = null;
  isOver = false;
  readonly pool: JobOwner;
  /** Whose handle it is, in this thread. */
  readonly task: Task<unknown> | undefined;

  constructor(pool: JobOwner, task: Task<unknown> | undefined) {
    this.pool = pool;
    this.task = task;
  }

  abort(reason: JoinError): boolean {
    return this.pool.abort(this, packError(reason));
  }

  abandon(): void {
    this.pool.forget(this);
  }

  describe(): string {
    return this.place === null ? "a free thread" : "another thread";
  }

  awaited(task: Task<unknown>, onFulfilled: unknown, onRejected: unknown): JobAwait {
    return new JobAwait(task, onFulfilled as Callback, onRejected as Callback);
  }

  /** The worker that ran it has died. @param death why, of any task */
  died(death: JoinError): PackedError {
    const { task } = this;
    if (task?.name === undefined) return packError(death);
    return packError(new JoinError(death.code, death.message.replace("the task", `task ${task.label}`), { cause: death.cause }));
  }

  /** From the wire: `value` is a PackedError unless it is fulfilled. */
  settle(status: Status, value: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    this.pool.jobEnded();
    const { task } = this;
    if (task === undefined) {
      this.answer(status, value);
      return;
    }
    (task.scheduler as CurrentThread).busyElsewhere--;
    if (status === FULFILLED) task.remoteSettled("fulfilled", value);
    else settleTask(task, status, value);
  }

  /** To whoever offered it. */
  protected answer(_status: Status, _value: unknown): void {}
}

export class Job extends PlacedJob {
  readonly sendable: SendableFunction;
  readonly args: unknown[];
  /** The arity on the wire: negative when there are shared primitives among the arguments. */
  readonly arity: number;
  readonly transfer: Transferable[] | undefined;
  /** The worker that offered it, and its number there: such a job has no task. */
  readonly origin: JobPlace | undefined;
  readonly originId: number;
  /** Why it was aborted: its worker was told, and may not have heard it before the job is taken back, or before it dies. */
  reason: PackedError | undefined;
  /** How often it was taken back. */
  moves = 0;

  constructor(pool: JobOwner, sendable: SendableFunction, args: unknown[], arity: number, transfer: Transferable[] | undefined, task: Task<unknown> | undefined, origin: JobPlace | undefined, originId: number) {
    super(pool, task);
    this.sendable = sendable;
    this.args = args;
    this.arity = arity;
    this.transfer = transfer;
    this.origin = origin;
    this.originId = originId;
  }

  /** Whether its arguments have a chance to fit into a record. */
  get isSmall(): boolean {
    return this.transfer === undefined && this.args.every((arg) => arg === null || (typeof arg !== "object" && typeof arg !== "bigint" && !(typeof arg === "string" && arg.length > 32)));
  }

  protected override answer(status: Status, value: unknown): void {
    this.pool.offerEnded(this);
    this.origin!.answer(this.originId, status, value);
  }
}

/** Gives a task the outcome that came over the wire. */
export function settleTask(task: Task<unknown>, status: Status, value: unknown): void {
  if (status === FULFILLED) task.remoteSettled("fulfilled", value);
  else if (status === FULFILLED_SHARED) task.remoteSettled("fulfilled", unpackShared(value));
  else task.remoteSettled(status === CANCELLED ? "cancelled" : "rejected", unpackError(value as PackedError));
}
