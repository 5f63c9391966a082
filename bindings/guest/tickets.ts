// How many threads a guest may have, counted over all of its instances: every thread costs a worker, and
// one that starts threads which start threads would take the machine down.
//
// The first instance has the count. The others ask through a port that each thread is given by whoever started it, so
// that the question goes up to the first; what a thread held is given back when it ends, however it ended.

import { receive } from "../host.ts";
import type { ThreadTickets } from "./seam.ts";

type Message = "take" | boolean | { readonly give: number };

export function rootTickets(count: number): ThreadTickets {
  let left = count;
  return {
    take: () => left > 0 && left-- > 0,
    give: (given) => void (left += given),
  };
}

/** A thread's own: the place it takes itself, and what it asks for. */
export interface TicketDesk {
  /** For the thread; transferred to it. */
  readonly port: MessagePort;
  /** The thread has ended. */
  close(): void;
}

export function openDesk(tickets: ThreadTickets): TicketDesk {
  const { port1, port2 } = new MessageChannel();
  let held = 1;
  let isClosed = false;
  receive<Message>(port1, async (data) => {
    if (data === "take") {
      const isGranted = await tickets.take();
      if (isGranted && isClosed) tickets.give(1);
      else if (isGranted) held++;
      port1.postMessage(isGranted);
    } else if (typeof data === "object") {
      held -= data.give;
      tickets.give(data.give);
    }
  });
  (port1 as { unref?: () => void }).unref?.();
  return {
    port: port2,
    close: () => {
      if (isClosed) return;
      isClosed = true;
      port1.close();
      tickets.give(held);
    },
  };
}

/** In the thread: asks whoever started it. Answers come in the order of questions. */
export function remoteTickets(port: MessagePort): ThreadTickets {
  const waiting: ((isGranted: boolean) => void)[] = [];
  receive<boolean>(port, (isGranted) => waiting.shift()?.(isGranted));
  return {
    take: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        port.postMessage("take" satisfies Message);
      }),
    give: (count) => port.postMessage({ give: count } satisfies Message),
  };
}
