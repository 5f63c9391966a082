// Signals of the process: SIGINT and the like.
//
// As in Tokio, a signal that somebody listens for no longer ends the process. Several that arrive before
// anyone looks count as one. The host's listener goes when the last of ours does.

import { OptionError } from "../errors.ts";
import { FanOut } from "../fan-out.ts";
import { type Future, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { builtinModule } from "../host.ts";
import { show } from "../options.ts";
import { Gate } from "./gate.ts";
import { closedError } from "./io.ts";
import { unsupported } from "./modules.ts";

interface SignalProcess {
  on(name: string, listener: () => void): void;
  off(name: string, listener: () => void): void;
}

function processOf(what: string): SignalProcess {
  const found = builtinModule<SignalProcess>("node:process");
  if (found === undefined) throw unsupported(what, "signals");
  return found;
}

/** The arrivals of one signal. */
export interface Signal extends AsyncIterable<void>, Disposable {
  /** The next arrival, also one since the last look. Cancel safe. */
  recv(): Future<void>;
  /** Stops listening; the signal then does again what it does by default. */
  close(): void;
}

const arrivals = /* @__PURE__ */ new FanOut<string>((name, fire) => processOf("signal()").on(name, fire), (name, fire) => processOf("signal()").off(name, fire));

class SignalListener implements Signal {
  readonly gate = new Gate(true);
  readonly name: string;
  readonly #unlisten: () => void;
  isClosed = false;
  #hasArrived = false;
  readonly #onSignal = (): void => {
    this.#hasArrived = true;
    this.gate.open();
  };

  constructor(name: string) {
    this.name = name;
    try {
      this.#unlisten = arrivals.add(name, () => this.#onSignal());
    } catch (cause) {                                      // SIGKILL and SIGSTOP cannot be caught
      throw new OptionError(`name must be a signal that can be caught, got ${show(name)}`, { cause });
    }
  }

  take(): boolean {
    if (this.isClosed) throw closedError(`cannot wait for ${this.name}: its listener was closed`);
    const hasArrived = this.#hasArrived;
    this.#hasArrived = false;
    return hasArrived;
  }

  recv(): Future<void> {
    return new SignalWait(this);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#unlisten();
    this.gate.open();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<void, void, undefined> {
    try {
      for (;;) {
        await this.recv();
        yield;
      }
    } finally {
      this.close();
    }
  }
}

class SignalWait extends Operation<void> {
  readonly #signal: SignalListener;

  constructor(signal: SignalListener) {
    super();
    this.#signal = signal;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const { gate } = this.#signal;
    gate.enter(this, "wait");
    if (this.#signal.take()) return undefined;
    gate.wait(this, waker);
    restore();
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.#signal.gate.forget(this);
  }

  override describe(): string {
    return `the signal ${this.#signal.name}`;
  }
}

/**
 * Listens for a signal from this call on.
 *
 * @param name such as `"SIGTERM"`
 * @throws {OptionError} for a name that is no signal, or one that cannot be caught
 * @throws {TokiwaError} `TOKIWA_UNSUPPORTED` in pages
 * @example for await (const _ of signal("SIGHUP")) reload();
 */
export function signal(name: string): Signal {
  if (typeof name !== "string" || !/^SIG[A-Z0-9]+$/.test(name)) throw new OptionError(`name must be the name of a signal such as "SIGTERM", got ${show(name)}`);
  const signals = builtinModule<{ constants: { signals: Record<string, number> } }>("node:os")?.constants.signals;
  if (signals !== undefined && !(name in signals)) throw new OptionError(`name must be a signal of this host, got ${show(name)}`);
  processOf("signal()");
  return new SignalListener(name);
}

class CtrlC extends Operation<void> {
  #signal: SignalListener | undefined;
  #wait: Future<void> | undefined;

  poll(waker: Waker): void | typeof PENDING {
    this.#signal ??= new SignalListener("SIGINT");
    this.#wait ??= this.#signal.recv();
    if (this.#wait.poll(waker) === PENDING) return PENDING;
    this.#signal.close();
    return undefined;
  }

  override [Symbol.dispose](): void {
    this.#wait?.[Symbol.dispose]();
    this.#signal?.close();
  }

  override describe(): string {
    return "Ctrl-C";
  }
}

/**
 * Waits for Ctrl-C (SIGINT), which meanwhile does not end the process. Afterwards it does again, so that a second one
 * gets through while you shut down. Cancel safe.
 *
 * @example
 * const { name } = await select({ served: serve(listener), quit: ctrlC() });
 */
export function ctrlC(): Future<void> {
  processOf("ctrlC()");
  return new CtrlC();
}
