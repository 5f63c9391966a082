// The reactor's registration: who waits for one direction of one socket.
//
//   host callback -> the socket stores what came -> gate.open() -> waker.wake()
//
// A callback only stores and wakes; nobody is polled on its stack. The first wake schedules a drive for
// when all callbacks of this turn are through, the others find it scheduled, and it polls all
// that became ready. A drive for each callback cost 10 % of an echo's time (bench/net).
//
// One operation waits at a time where it is `&mut self` in Tokio: a second one is an error, since neither could know
// which bytes it will get. Where it is `&self` there (accept, datagrams), callers leave out `enter()`, and all who wait
// are woken together: one gets what came, the others wait again. Whoever waits counts in its scheduler's
// `hostPending` (blockOn then says that it cannot wait here) and keeps the process alive.
//
// There is no slab of readiness bits in the core: each event arrives as a JavaScript callback that has found
// the JavaScript object by then. Set, test and clear cost 4.5 ns in a field of it, 4.3 ns in a word of the
// core's memory, 9.7 ns by calls of the core (bench/net/readiness.mjs, Node 20): nothing to gain,
// and the bytes are in JavaScript whatever a bit says. The length of their queue is the readiness.

import { ContextError } from "../errors.ts";
import { context, type Reactor, type Waker } from "../future.ts";
import { followsPoll } from "../host.ts";
import { hold, letGo } from "./keep-alive.ts";

/** Who waits beside the first one. */
interface Beside {
  readonly operation: object;
  readonly reactor: Reactor | null;
  waker: Waker;
}

export class Gate {
  #operation: object | null = null;
  #waker: Waker | null = null;
  #reactor: Reactor | null = null;
  #others: Beside[] | null = null;
  /** Only the host can open it (a socket); false for pipes in memory. */
  readonly #isHost: boolean;

  constructor(isHost: boolean) {
    this.#isHost = isHost;
  }

  /** Who waits. */
  get waiting(): object | null {
    return this.#operation;
  }

  /** Throws when another operation than this one is waiting. */
  enter(operation: object, what: string): void {
    if (this.#operation !== null && this.#operation !== operation) {
      throw new ContextError("TOKIWA_BUSY", `another ${what} is pending on this half: wait for it, or drop it, first. To share a stream between tasks put a channel or a Mutex before it.`);
    }
  }

  /** Wakes `waker` at the next `open()`. */
  wait(operation: object, waker: Waker): void {
    if (this.#operation === null) {
      this.#operation = operation;
      if (this.#isHost) {
        this.#reactor = context.reactor;
        if (this.#reactor !== null) this.#reactor.hostPending++;
        hold();
      }
    } else if (this.#operation !== operation) {
      this.#waitBeside(operation, waker);
      return;
    }
    this.#waker = waker;
  }

  #waitBeside(operation: object, waker: Waker): void {
    this.#others ??= [];
    const known = this.#others.find((one) => one.operation === operation);
    if (known !== undefined) {
      known.waker = waker;
      return;
    }
    const { reactor } = context;
    this.#others.push({ operation, waker, reactor });
    if (!this.#isHost) return;
    if (reactor !== null) reactor.hostPending++;
    hold();
  }

  #leaveBeside({ reactor }: Beside): void {
    if (!this.#isHost) return;
    if (reactor !== null) reactor.hostPending--;
    letGo();
  }

  /**
   * Something has changed: whoever waits looks again.
   *
   * @param isBurst callbacks of other sockets follow, so one drive after all of them is best. False when the host does
   *   not go on before the microtasks have run
   */
  open(isBurst = true): void {
    if (this.#others !== null) this.#openBeside(this.#others);
    const waker = this.#waker;
    if (waker === null) return;
    this.#leave();
    if (!isBurst || !this.#isHost || !followsPoll) {
      waker.wake();
      return;
    }
    const before = context.isBurst;
    context.isBurst = true;
    waker.wake();
    context.isBurst = before;
  }

  #openBeside(others: Beside[]): void {
    this.#others = null;
    for (const one of others) this.#leaveBeside(one);
    for (const { waker } of others) waker.wake();
  }

  /** The operation was dropped, or is through. */
  forget(operation: object): void {
    if (this.#operation === operation) this.#leave();
    const at = this.#others?.findIndex((one) => one.operation === operation) ?? -1;
    if (at >= 0) this.#leaveBeside((this.#others as Beside[]).splice(at, 1)[0] as Beside);
  }

  #leave(): void {
    this.#operation = this.#waker = null;
    if (!this.#isHost) return;
    if (this.#reactor !== null) this.#reactor.hostPending--;
    this.#reactor = null;
    letGo();
  }
}
