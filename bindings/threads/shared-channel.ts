// sharedChannel(): a bounded queue between threads, many senders and receivers. Its memory is a Channel (channel.ts); without shared
// memory it lives on the thread that made it (channel-home.ts).

import { checkInteger } from "../options.ts";
import { registerPackable } from "../workers/sendable.ts";
import { canShare } from "../workers/transport.ts";
import { Channel, type State } from "./channel.ts";
import { channelHome } from "./channel-home.ts";
import { isPort, remote } from "./far.ts";
import { SharedReceiver } from "./shared-receiver.ts";
import { SharedSender, SharedWeakSender } from "./shared-sender.ts";

const MAX_CAPACITY = 1 << 20;

/**
 * A bounded channel between threads. Both ends travel as arguments; messages are cloned, numbers cost no allocation.
 *
 * Shared primitives, ends of channels among them, and shared memory cannot be in a message: `TOKIWA_NOT_CLONEABLE`. Pass them as arguments.
 * A `Uint8Array` by itself is sent as its bytes, wherever they lie.
 *
 * @param capacity messages that may wait, 1 to 1 048 576; besides, 4 MB of bytes
 * @example
 * const [tx, rx] = sharedChannel(16);
 * thread.exec(async (tx) => { await tx.send(1); tx.close(); }, tx); tx.close();
 * for await (const n of rx) console.log(n);
 */
export function sharedChannel<T>(capacity: number): [SharedSender<T>, SharedReceiver<T>] {
  checkInteger("capacity", capacity, 1, MAX_CAPACITY);
  if (canShare()) {
    const channel = Channel.make(capacity);
    return [new SharedSender<T>(channel), new SharedReceiver<T>(channel)];
  }
  const [tx, rx] = channelHome(capacity);
  return [new SharedSender<T>(tx), new SharedReceiver<T>(rx)];
}

registerPackable("sender", (state: State | MessagePort) => {
  if (isPort(state)) return new SharedSender<unknown>(remote(state));
  const channel = new Channel(state);
  channel.arrive();
  return new SharedSender<unknown>(channel);
});
registerPackable("weakSender", (state: State) => new SharedWeakSender<unknown>(new Channel(state)));
registerPackable("receiver", (state: State | MessagePort) => isPort(state) ? new SharedReceiver<unknown>(remote(state)) : new SharedReceiver<unknown>(new Channel(state)));
