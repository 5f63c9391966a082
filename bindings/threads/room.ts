// Waiting for room for bytes in a shared channel, which has places left: until receivers have taken out a message with bytes.
//
// Whoever finds no room says that it is wanted, looks again, and waits for the word that says where the bytes end that are gone; who moves it
// looks afterwards whether that is wanted: one of the two sees the other. What changes without that word (the channel is
// closed, or somebody has died) is found by a look every CHECK_MS.

import type { Waker } from "../future.ts";
import { monotonicNow, startTimer, whenNotified } from "../host.ts";
import { setWaitingAtWord, type WaitingAtWord } from "../workers/parking.ts";
import { BYTES_DONE, type Channel } from "./channel.ts";
import { Hold, isKnownElsewhere } from "./hold.ts";
import { CHECK_MS } from "./permits.ts";

export class Room implements WaitingAtWord {
  readonly #channel: Channel;
  readonly words: Int32Array;
  readonly cell: number = BYTES_DONE;
  idle = 0;
  #since = 0;
  #isWatched = false;
  #waker: Waker | undefined;
  readonly #hold: Hold;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.words = channel.state.items;
    this.#hold = new Hold(this.words);
  }

  /** Before another try: whatever receivers take out from here on is noticed. */
  want(): void {
    this.idle = this.#channel.wantRoom();
  }

  /** After the try. */
  wait(waker: Waker): void {
    this.#waker = waker;
    this.#since = monotonicNow();
    this.#hold.begin();
    setWaitingAtWord(this, true);
    if (this.#isWatched) return;
    this.#isWatched = true;
    if (!whenNotified(this.words, this.cell, this.idle, this.#notified, CHECK_MS)) startTimer(this.#notified, 1);
  }

  readonly #notified = (): void => {
    this.#isWatched = false;
    this.#waker?.wake();
  };

  get isAnsweredElsewhere(): boolean {
    return isKnownElsewhere(this.words);
  }

  look(): void {
    if (Atomics.load(this.words, this.cell) === this.idle && !this.#channel.isClosed && monotonicNow() - this.#since < CHECK_MS) return;
    setWaitingAtWord(this, false);                         // until it waits again
    this.#waker?.wake();
  }

  end(): void {
    this.#waker = undefined;
    if (!this.#hold.isHeld) return;
    setWaitingAtWord(this, false);
    this.#hold.end();
  }
}
