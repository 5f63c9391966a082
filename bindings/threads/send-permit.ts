// A place in a shared channel, taken in advance.

import { SendError, TrySendError } from "../errors.ts";
import { CLOSED, encodeMessage, NO_ROOM } from "./channel.ts";
import type { SenderHandle } from "./sender-handle.ts";

/** Where the place is: in shared memory, or at home. */
export interface Place<T> {
  /** SENT, NO_ROOM for its bytes, or CLOSED. */
  send(value: T): number;
  release(): void;
}

/** A place that was reserved with `reserve()`: sending into it waits for nothing. Its sender stays counted until it is used or released. */
export class SharedSendPermit<T> implements Disposable {
  #place: Place<T> | undefined;

  /** @internal */
  constructor(place: Place<T>) {
    this.#place = place;
  }

  /** @internal A join that is dropped gives it back. */
  get isHandedByTokiwa(): true {
    return true;
  }

  /**
   * Sends the message into the place. What cannot be sent leaves the permit as it is.
   *
   * @throws {SendError} `TOKIWA_CLOSED` when the channel was closed meanwhile, `TOKIWA_COMPLETED` when the permit was used or released before
   * @throws {TrySendError} `TOKIWA_FULL` when the 4 MB of bytes of a channel are used up by what lies in it
   */
  send(value: T): void {
    const place = this.#place;
    if (place === undefined) throw new SendError(value, "this permit was used or released already: reserve another one", "TOKIWA_COMPLETED");
    const result = place.send(value);
    if (result === NO_ROOM) throw new TrySendError(value, "no room for the bytes of this message: send it when others were received", "TOKIWA_FULL");
    this.#place = undefined;
    if (result === CLOSED) throw new SendError(value);
  }

  /** Gives the place back unused. Nothing happens when the permit was used or released before. */
  release(): void {
    const place = this.#place;
    this.#place = undefined;
    place?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Places that were granted to this thread. */
export function permitsOf<T>(handle: SenderHandle, count: number): SharedSendPermit<T>[] {
  handle.hold(count);
  const { channel } = handle;
  const place: Place<T> = {
    send(value) {
      const result = channel.put(encodeMessage(value), true);
      if (result !== NO_ROOM) handle.unhold();
      return result;
    },
    release() {
      channel.slots.release(1);
      handle.unhold();
    },
  };
  return Array.from({ length: count }, () => new SharedSendPermit(place));
}
