// A slot on behalf of a waker that has none in this scheduler: one from another runtime, or
// somebody's own object. Timers can then wake it like any unit.

import { type Reactor, type Unit, type Waker, wakeSafely } from "../future.ts";
import { UNIT_PENDING } from "../limits.ts";

export class WakerProxy implements Unit {
  handle = -1;
  readonly scheduler: Reactor;
  waker: Waker;

  constructor(scheduler: Reactor, waker: Waker) {
    this.scheduler = scheduler;
    this.waker = waker;
    scheduler.adopt(this);
  }

  wake(): void {
    if (this.handle >= 0) this.scheduler.wake(this.handle);
  }

  run(): number {
    wakeSafely(this.waker);
    return UNIT_PENDING;
  }

  closed(): void {
    this.handle = -1;
    wakeSafely(this.waker);                                // its future tells that the runtime has shut down
  }
}
