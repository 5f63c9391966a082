// A function that jobs call, as a worker knows it.

import type { TaskFn } from "../future.ts";
import type { Definition } from "./wire.ts";

export type Fn = TaskFn<unknown[], unknown>;

export class Known {
  readonly definition: Definition;
  readonly takesTaskName: boolean;
  /** The function, or a promise of it while it is loaded; undefined before it is asked for. */
  fn: Fn | Promise<Fn> | undefined;
  /** How long a call has held the worker lately, in microseconds; negative while unknown. */
  micros = -1;

  constructor(definition: Definition) {
    this.definition = definition;
    this.takesTaskName = definition.takesTaskName === true;
  }
}
