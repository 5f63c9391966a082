// A sender of a shared channel as the channel counts it: one, until it is closed and nothing holds it any more.

import type { Channel } from "./channel.ts";

export class SenderHandle {
  readonly channel: Channel;
  isOpen = true;
  /** Permits, and sends that wait. */
  #holds = 0;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  /** Whether sending through this handle fails. */
  get isShut(): boolean {
    return !this.isOpen || this.channel.isClosed;
  }

  hold(count: number): void {
    this.#holds += count;
  }

  unhold(): void {
    if (--this.#holds === 0 && !this.isOpen) this.channel.removeSender();
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (this.#holds === 0) this.channel.removeSender();
  }
}
