// The memory of a shared channel against a plain model: random operations of one thread, counters about to overflow, few bytes.
import * as fc from "fast-check";
import { Thread } from "tokiwa/threads";
import { describe, expect, test } from "vitest";
import { type ChannelEnd, DONE, MORE, SEEN } from "../bindings/threads/channel-end.ts";
import { Channel, CLOSED, encodeMessage, NO_PLACE, NO_ROOM, NOTHING, SENT } from "../bindings/threads/channel.ts";
import { GRANTED, NOW, REFUSED } from "../bindings/threads/permits.ts";
import { type Future, PENDING } from "../bindings/future.ts";
import { SharedReceiver } from "../bindings/threads/shared-receiver.ts";
import { SharedSender } from "../bindings/threads/shared-sender.ts";
import { setActive, awaitsAnswer } from "../bindings/workers/parking.ts";
import { END } from "../bindings/sync/stream.ts";
import { seed } from "./support/lanes.ts";

const BYTES = 64;
/** Both ends have seen this many messages and bytes before; as words, the counters are about to become negative, or 0. */
const starts = fc.constantFrom(0, 2 ** 31 - 5, 2 ** 32 - 5);
const value = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom<unknown>(undefined, null, true, false, "", "päck"),
  { arbitrary: fc.uint8Array({ maxLength: BYTES / 2, size: "max" }), weight: 8 },
  { arbitrary: fc.uint8Array({ maxLength: BYTES + 1, size: "max" }), weight: 2 },
);
const sizeOf = (message: unknown): number => encodeMessage(message).bytes.length;

/** One end as the model sees it: how many are granted and not used, and who waits. */
class EndModel {
  readonly end: ChannelEnd;
  readonly free: () => number;
  granted = 0;
  line: number[] = [];
  /** Those in the line to whom one is granted. */
  #served = new Set<number>();

  constructor(end: ChannelEnd, free: () => number) {
    this.end = end;
    this.free = free;
  }

  /** Serves the line as far as it goes. */
  serve(): void {
    for (const cell of this.line) {
      if (this.#served.has(cell) || this.free() <= 0) continue;
      this.#served.add(cell);
      this.granted++;
    }
  }

  get isOpen(): boolean {
    return this.line.every((cell) => this.#served.has(cell));
  }

  request(): void {
    const mayPass = this.isOpen && this.free() > 0;
    const cell = this.end.request(1, true);
    expect(cell === NOW).toBe(mayPass);
    if (mayPass) this.granted++;
    else this.line.push(cell);
  }

  /** The one in the line who has been served first sees it. */
  look(): void {
    const cell = this.line[0];
    if (cell === undefined) return;
    expect(this.end.state(cell) === GRANTED).toBe(this.#served.has(cell));
    if (this.#served.delete(cell)) this.line.shift();
  }

  withdraw(at: number): void {
    const cell = this.line[at % Math.max(1, this.line.length)];
    if (cell === undefined) return;
    this.line.splice(this.line.indexOf(cell), 1);
    if (this.#served.delete(cell)) this.granted--;
    this.end.withdraw(cell, 1);
  }

  /** One that is granted, and known to be. */
  get hasGrant(): boolean {
    return this.granted > this.#served.size;
  }

  giveBack(): void {
    if (!this.hasGrant) return;
    this.granted--;
    this.end.release(1);
  }

  /** After the channel was closed: whoever had not been served is refused. */
  expectRefused(): void {
    for (const cell of this.line) expect(this.end.state(cell)).toBe(this.#served.has(cell) ? GRANTED : REFUSED);
  }
}

function play(capacity: number, start: number, operations: readonly (readonly [number, number, unknown])[]): void {
  const channel = Channel.make(capacity, BYTES);
  for (const words of [channel.state.slots, channel.state.items]) for (const counter of [DONE, SEEN, MORE]) words[counter] = start;
  const queue: unknown[] = [];
  const slots = new EndModel(channel.slots, () => capacity - queue.length - slots.granted);
  const items = new EndModel(channel.items, () => queue.length - items.granted);

  const put = (message: unknown, hasPlace: boolean): void => {
    const mayPass = hasPlace || (slots.isOpen && slots.free() > 0);
    const size = sizeOf(message);
    const result = channel.put(encodeMessage(message), hasPlace);
    if (!mayPass) expect(result).toBe(NO_PLACE);
    else if (size > BYTES) expect(result).toBe(NO_ROOM);
    else if (queue.length === 0 || size === 0) expect(result).toBe(SENT);
    else {
      const sizes = [size, ...queue.map(sizeOf)];
      const most = sizes.reduce((sum, one) => sum + one) + Math.max(...sizes) - 1;        // with the gap before one that did not fit at the end
      expect(result).toBeOneOf(most <= BYTES ? [SENT] : [SENT, NO_ROOM]);
    }
    if (result !== SENT) return;
    queue.push(message);
    if (hasPlace) slots.granted--;
  };
  const take = (isGranted: boolean): void => {
    const mayPass = isGranted || (items.isOpen && items.free() > 0);
    expect(channel.take(isGranted)).toEqual(mayPass ? queue.shift() : NOTHING);
    if (isGranted) items.granted--;
  };
  const steps: ((which: number, message: unknown) => void)[] = [
    ...Array.from({ length: 8 }, () => (_: number, message: unknown) => put(message, false)),
    (_, message) => slots.hasGrant && put(message, true),
    () => slots.request(),
    () => slots.look(),
    (which) => slots.withdraw(which),
    () => slots.giveBack(),
    ...Array.from({ length: 6 }, () => () => take(false)),
    () => items.hasGrant && take(true),
    () => items.request(),
    () => items.look(),
    (which) => items.withdraw(which),
    () => items.giveBack(),
  ];
  for (const [step, which, message] of operations) {
    steps[step % steps.length]!(which, message);
    slots.serve();
    items.serve();
    expect([channel.slots.available, channel.length]).toEqual([slots.free(), items.free()]);
  }

  channel.close();
  slots.expectRefused();
  items.expectRefused();
  expect(channel.put(encodeMessage(1), false)).toBe(CLOSED);
  for (; slots.granted > 0; slots.granted--) expect(channel.put(encodeMessage(1), true)).toBe(CLOSED);
  for (; items.granted > 0; items.granted--) expect(channel.take(true)).toEqual(queue.shift());
  while (queue.length > 0) expect(channel.take(false)).toEqual(queue.shift());
  expect([channel.take(false), channel.length, channel.slots.available]).toEqual([END, 0, capacity]);
}

describe(`a channel in shared memory (TOKIWA_SEED=${seed})`, () => {
  test("does what a plain queue with two lines of waiters does", () => {
    const operation = fc.tuple(fc.nat(1000), fc.nat(10), value);
    fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), starts, fc.array(operation, { maxLength: 120, size: "max" }), play), { seed, numRuns: 500 });
  }, 60_000);
});

/** A channel that another thread knows. */
function passedOn(capacity: number, bytes?: number): Channel {
  const channel = Channel.make(capacity, bytes);
  channel.pack();
  return channel;
}

/** Runs `body` while a pool of this thread has jobs out; what `pump` does happens whenever this thread blocks. */
function pumping(pump: () => void, body: () => void): void {
  const pool = { canRouse: true, needsNoMessages: true, pump };
  setActive(pool, true);
  try {
    body();
  } finally {
    setActive(pool, false);
  }
}

describe("blockingSend(), while this thread's pools are pumped", () => {
  test("sends its own message, whatever is sent meanwhile", () => {
    const [channel, log] = [passedOn(1), passedOn(8)];
    const [tx, rx, logTx] = [new SharedSender<string>(channel), new SharedReceiver<string>(channel), new SharedSender<string>(log)];
    tx.trySend("first");
    const got: string[] = [];
    pumping(
      () => {
        logTx.trySend("a line of the log");
        if (got.length === 0) got.push(rx.tryRecv());
      },
      () => tx.blockingSend("second"),
    );
    expect([...got, rx.tryRecv()]).toEqual(["first", "second"]);
  });

  test("waits for room for bytes", () => {
    const channel = passedOn(4, BYTES);
    const [tx, rx] = [new SharedSender<Uint8Array>(channel), new SharedReceiver<Uint8Array>(channel)];
    tx.trySend(new Uint8Array(BYTES).fill(1));
    const got: Uint8Array[] = [];
    pumping(
      () => {
        encodeMessage("a line of the log");
        if (got.length === 0) got.push(rx.tryRecv());
      },
      () => tx.blockingSend(new Uint8Array(BYTES).fill(2)),
    );
    expect([...got, rx.tryRecv()].map((bytes) => bytes[0])).toEqual([1, 2]);
  });
});

describe("a send that waits for room for its bytes", () => {
  const bytes = (n: number): Uint8Array => new Uint8Array(BYTES).fill(n);
  /** A full channel, and a send that waits at it. */
  function waiting(): { tx: SharedSender<Uint8Array>; rx: SharedReceiver<Uint8Array>; send: Future<void>; woken: Promise<void> } {
    const channel = passedOn(4, BYTES);
    const [tx, rx] = [new SharedSender<Uint8Array>(channel), new SharedReceiver<Uint8Array>(channel)];
    tx.trySend(bytes(1));
    const send = tx.send(bytes(2));
    const woken = new Promise<void>((wake) => {
      expect(send.poll({ wake })).toBe(PENDING);
    });
    return { tx, rx, send, woken };
  }
  const wake = (): void => {};

  test("is woken when they are taken out, and when the channel is closed", async () => {
    const { rx, send, woken } = waiting();
    expect(rx.tryRecv()[0]).toBe(1);
    await woken;
    expect(send.poll({ wake })).toBe(undefined);
    expect(rx.tryRecv()[0]).toBe(2);
    const other = waiting();
    other.rx.close();
    await other.woken;
    expect(() => other.send.poll({ wake })).toThrow(expect.objectContaining({ name: "SendError", code: "TOKIWA_CLOSED" }));
  });

  test("stays good when its sender is closed, and keeps it", async () => {
    const { tx, rx, send, woken } = waiting();
    tx.close();
    expect([rx.senderStrongCount, rx.tryRecv()[0]]).toEqual([1, 1]);
    await woken;
    expect(send.poll({ wake })).toBe(undefined);
    expect([rx.senderStrongCount, rx.tryRecv()[0]]).toEqual([0, 2]);
    expect(() => rx.tryRecv()).toThrow(expect.objectContaining({ code: "TOKIWA_CLOSED" }));
  });

  test("queues when others have taken the places meanwhile, and leaves the thread that blocks nothing to wait for when it is dropped", async () => {
    const { tx, rx, send, woken } = waiting();
    using another = new Thread();
    await another.exec(() => {});
    expect(awaitsAnswer()).toBe(true);
    rx.tryRecv();
    await woken;
    const small = new Uint8Array(0);
    for (let i = 0; i < 4; i++) tx.trySend(small);
    expect([send.poll({ wake }), awaitsAnswer()]).toEqual([PENDING, true]);
    for (let i = 0; i < 4; i++) expect(rx.tryRecv()).toEqual(small);
    expect(send.poll({ wake })).toBe(undefined);
    const other = waiting();
    other.send[Symbol.dispose]();
    expect(awaitsAnswer()).toBe(false);
  });
});
