// Thread: one worker of one's own.

import { OptionError } from "../errors.ts";
import { checkFunction, checkOptions, show } from "../options.ts";
import { shared } from "../registry.ts";
import { Pool } from "../workers/pool.ts";
import { checkResourceLimits, checkTransport } from "../workers/provider.ts";
import type { ResourceLimits } from "../workers/start.ts";
import { Executor } from "./executor.ts";

export interface ThreadOptions {
  /** Shown in messages and, where the host has it, by its tools. Default `"thread-N"`. */
  name?: string;
  /** Default `"auto"`: shared memory where it can be posted, else messages. */
  transport?: "auto" | "shared" | "messages";
  /** Starts a worker whose entry calls `expose()`: for bundlers. */
  worker?: () => Worker;
  /** Bytes of a JavaScript module, or of a Wasm module without imports: its exported functions are `send("name")`. */
  module?: ArrayBuffer;
  /** Node, Bun and Deno. */
  resourceLimits?: ResourceLimits;
}

/** The id given out last, by whichever copy of this package. */
const ids: { last: number } = /* @__PURE__ */ shared("threads", () => ({ last: 0 }));

/**
 * A thread that runs what it is given, in order; jobs that wait for something let the next begin.
 *
 * It is started at once, does not keep the process alive while it has nothing to do, and is started anew if it dies.
 *
 * @example
 * using thread = new Thread();
 * console.log(await thread.exec((a, b) => a + b, 1, 2)); // 3
 */
export class Thread extends Executor implements Disposable {
  readonly id: number;
  readonly name: string;

  /** @throws {OptionError} naming the option, what it may be and what it was */
  constructor(options?: ThreadOptions) {
    const { name, transport, worker, module, resourceLimits } = checkOptions<ThreadOptions>("options", options);
    if (name !== undefined && typeof name !== "string") throw new OptionError(`name must be a string, got ${show(name)}`);
    if (worker !== undefined) checkFunction("worker", worker);
    checkResourceLimits(resourceLimits);
    if (module !== undefined && !(module instanceof ArrayBuffer)) throw new OptionError(`module must be an ArrayBuffer, got ${show(module)}`);
    const id = ++ids.last;
    const called = name ?? `thread-${id}`;
    const pool = new Pool({
      size: 1,
      name: () => called,
      isShared: checkTransport(transport),
      isSerial: false,
      sharesJobs: false,
      keepAliveMs: Infinity,
      factory: worker,
      resourceLimits,
      module: module?.slice(0),
    });
    super(pool, `thread ${JSON.stringify(called)}`);
    this.id = id;
    this.name = called;
    pool.prepare(1);
  }

  /** Whether a job has not ended. */
  get isBusy(): boolean {
    return this.pool.outstanding > 0;
  }

  get isTerminated(): boolean {
    return this.pool.isClosed;
  }

  /** Ends the thread now, also in the middle of a job; what is pending is cancelled. Again: nothing happens. */
  terminate(): void {
    void this.end();
  }

  [Symbol.dispose](): void {
    this.terminate();
  }

  toJSON(): object {
    return { id: this.id, name: this.name, isBusy: this.isBusy, isTerminated: this.isTerminated };
  }
}
