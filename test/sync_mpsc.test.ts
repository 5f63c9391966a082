// mpsc and unboundedMpsc, after tokio/tests/sync_mpsc.rs.

import { describe, expect, test } from "vitest";
import {
  broadcast,
  ContextError,
  DeadlockError,
  join,
  mpsc,
  oneshot,
  OptionError,
  PENDING,
  run,
  Runtime,
  SendError,
  SendTimeoutError,
  setDefaultRuntime,
  spawn,
  TimeoutError,
  TokiwaError,
  TryRecvError,
  TrySendError,
  unboundedMpsc,
  watch,
  yieldNow,
} from "tokiwa";
import { task } from "tokiwa/testing";
import { codeOf, errorOf } from "./support/errors.ts";

const paused = { startPaused: true } as const;

describe("sending and receiving", () => {
  test("messages come in order, then undefined when every sender is closed", async () => {
    const [tx, rx] = mpsc<number>(16);
    (await tx.reserve()).send(1);
    tx.trySend(2);
    tx.close();
    expect([await rx.recv(), await rx.recv(), await rx.recv()]).toEqual([1, 2, undefined]);
  });

  test("a task sends while another receives", async () => {
    for (const make of [() => mpsc<number>(1), () => unboundedMpsc<number>()]) {
      const received = await run(function* () {
        const [tx, rx] = make();
        spawn(function* () {
          for (const value of [1, 2]) {
            const sent = tx.send(value);
            if (sent !== undefined) yield* sent;
          }
          tx.close();
        });
        return [yield* rx.recv(), yield* rx.recv(), yield* rx.recv()];
      });
      expect(received).toEqual([1, 2, undefined]);
    }
  });

  test("async functions send and receive in order under backpressure", async () => {
    const received = await run(async () => {
      const [tx, rx] = mpsc<number>(2);
      const producer = spawn(async () => {
        for (let i = 0; i < 500; i++) await tx.send(i);
        tx.close();
      });
      const all: number[] = [];
      for await (const value of rx) all.push(value);
      await producer;
      return all;
    });
    expect(received).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  test("a third reservation of two places waits, and each place that is freed wakes one", async () => {
    const [tx, rx] = mpsc<number>(2);
    const permit1 = await tx.reserve();
    const permit2 = await tx.reserve();
    const r3 = task(tx.reserve());
    const r4 = task(tx.reserve());
    expect([r3.poll(), r4.poll()]).toEqual([PENDING, PENDING]);
    permit1.send(1);
    expect(r3.isWoken).toBe(false);                        // the message holds the place
    await rx.recv();
    expect([r3.isWoken, r4.isWoken]).toEqual([true, false]);
    permit2.release();
    expect(r4.isWoken).toBe(true);
    expect(task(tx.reserve()).poll()).toBe(PENDING);       // both places are granted, though not taken yet
  });

  test("a reservation that is dropped while it waits leaves the line", async () => {
    const [tx1, rx] = mpsc<number>(1);
    const tx2 = tx1.clone();
    tx1.trySend(0);
    const r1 = task(tx1.reserve());
    const r2 = task(tx2.reserve());
    expect([r1.poll(), r2.poll()]).toEqual([PENDING, PENDING]);
    r1.drop();
    expect(await rx.recv()).toBe(0);
    expect([r1.isWoken, r2.isWoken]).toEqual([false, true]);
    r2.drop();
    tx1.close();
    tx2.close();
    expect(await rx.recv()).toBe(undefined);
  });

  test("one place: a second reservation is ready when the message was taken", async () => {
    const [tx, rx] = mpsc<number>(1);
    (await tx.reserve()).send(1);
    const p2 = task(tx.reserve());
    expect(p2.poll()).toBe(PENDING);
    expect(await rx.recv()).toBe(1);
    expect(p2.isWoken).toBe(true);
    expect(codeOf(() => tx.trySend(1337))).toBe("TOKIWA_FULL");    // granted to the one that waits
    const permit = p2.poll();
    if (permit === PENDING) throw new Error("not ready");
    permit.send(2);
    expect(await rx.recv()).toBe(2);
  });

  test("a send that was granted its place and is dropped has not sent", async () => {
    const [tx, rx] = mpsc<number>(1);
    tx.trySend(1);
    const sending = task(tx.send(2));
    expect(sending.poll()).toBe(PENDING);
    expect(rx.tryRecv()).toBe(1);
    expect(sending.isWoken).toBe(true);
    sending.drop();
    expect(tx.capacity).toBe(1);
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
  });

  test("a wait that was woken and is dropped passes the wake on, and takes no message", () => {
    const [tx, rx] = mpsc<number>(2);
    const first = task(rx.recv());
    const second = task(rx.recv());
    expect([first.poll(), second.poll()]).toEqual([PENDING, PENDING]);
    tx.trySend(1);
    expect([first.isWoken, second.isWoken]).toEqual([true, false]);
    first.drop();
    expect(second.isWoken).toBe(true);
    expect(second.poll()).toBe(1);
  });

  test("a channel that fills and empties 256 times counts right", async () => {
    const [tx, rx] = mpsc<number>(33);
    for (let value = 1; value < 257; value++) {
      await tx.send(value);
      expect(await rx.recv()).toBe(value);
      expect(rx.isEmpty).toBe(true);
    }
  });
});

describe("recvMany", () => {
  test("takes up to the limit, and nothing for a limit of 0", async () => {
    await run(async () => {
      const [tx, rx] = mpsc<number>(2);
      const into: number[] = [];
      expect(await rx.recvMany(into, 0)).toBe(0);
      const producer = spawn(async () => {
        for (const value of [1, 2, 7, 0]) await tx.send(value);
        tx.close();
      });
      for (let count = 0; count < 4; ) {
        count += await rx.recvMany(into, 3);
        expect(into.length).toBe(count);
      }
      expect(into).toEqual([1, 2, 7, 0]);
      expect(await rx.recvMany(into, 3)).toBe(0);
      await producer;
    });
  });

  test("of an unbounded channel", async () => {
    const [tx, rx] = unboundedMpsc<number>();
    const into: number[] = [];
    expect(await rx.recvMany(into, 0)).toBe(0);
    for (const value of [7, 13, 100, 1002]) tx.send(value);
    expect(await rx.recvMany(into, 0)).toBe(0);
    for (let count = 0; count < 4; ) count += await rx.recvMany(into, 1);
    expect(into).toEqual([7, 13, 100, 1002]);
    into.length = 0;
    for (const value of [5, 6, 7, 2]) tx.send(value);
    expect(await rx.recvMany(into, 32)).toBe(4);
    expect(into).toEqual([5, 6, 7, 2]);
    tx.close();
    expect(await rx.recvMany(into, 4)).toBe(0);
    expect(await rx.recv()).toBe(undefined);
  });

  test("leaves what is beyond the limit, and appends to what is there", async () => {
    for (const make of [() => mpsc<string>(100), () => unboundedMpsc<string>()]) {
      const [tx, rx] = make();
      const expected = Array.from({ length: 9 }, (_, i) => String(i));
      for (const text of [...expected, "one more"]) await tx.send(text);
      const into: string[] = [];
      expect(await rx.recvMany(into, 9)).toBe(9);
      expect(into).toEqual(expected);
      expect(await rx.recvMany(into, 9)).toBe(1);
      spawn(async () => {
        await tx.send("final");
        tx.close();
      });
      expect(await rx.recvMany(into, 9)).toBe(1);
      expect(into).toEqual([...expected, "one more", "final"]);
      expect(await rx.recvMany(into, 9)).toBe(0);
    }
  });

  test("gives 0 when the receiver is closed and idle, and leaves the array alone", async () => {
    for (const [, rx] of [mpsc<number>(1), unboundedMpsc<number>()]) {
      const into = [1];
      rx.close();
      expect(await rx.recvMany(into, 1)).toBe(0);
      expect(into).toEqual([1]);
    }
  });
});

describe("closing", () => {
  test("a closed receiver gives undefined, and refuses", async () => {
    const [tx, rx] = mpsc<number>(10);
    rx.close();
    expect(await rx.recv()).toBe(undefined);
    await expect(tx.send(1)).rejects.toMatchObject({ code: "TOKIWA_CLOSED", value: 1 });
  });

  test("a permit taken before still sends, and the receiver waits for it", async () => {
    const [tx, rx] = mpsc<number>(1);
    const permit1 = await tx.reserve();
    const permit2 = task(tx.clone().reserve());
    expect(permit2.poll()).toBe(PENDING);
    rx.close();
    expect(permit2.isWoken).toBe(true);
    expect(() => permit2.poll()).toThrow(SendError);
    const receive = task(rx.recv());
    expect(receive.poll()).toBe(PENDING);
    permit1.send(123);
    expect(receive.isWoken).toBe(true);
    expect(receive.poll()).toBe(123);
    expect(await rx.recv()).toBe(undefined);
  });

  test.each(["polled", "dropped"])("a waiting reserveMany() that is %s returns the place it had, and wakes a closed receiver", (how) => {
    const [tx, rx] = mpsc<void>(2);
    const permit = tx.tryReserve();
    const reserve = task(tx.reserveMany(2));
    expect(reserve.poll()).toBe(PENDING);
    rx.close();
    const receive = task(rx.recv());
    expect(receive.poll()).toBe(PENDING);
    permit.release();
    expect(receive.isWoken).toBe(false);                   // the reservation still has a place
    if (how === "polled") expect(() => reserve.poll()).toThrow(SendError);
    else reserve.drop();
    expect(receive.isWoken).toBe(true);
    expect(receive.poll()).toBe(undefined);
  });

  test.each(["polled", "dropped"])("a granted reserve() that is %s returns its place, and wakes a closed receiver", (how) => {
    const [tx, rx] = mpsc<void>(1);
    const permit = tx.tryReserve();
    const reserve = task(tx.reserve());
    expect(reserve.poll()).toBe(PENDING);
    permit.release();
    expect(reserve.isWoken).toBe(true);
    rx.close();
    const receive = task(rx.recv());
    expect(receive.poll()).toBe(PENDING);
    if (how === "polled") expect(() => reserve.poll()).toThrow(SendError);
    else reserve.drop();
    expect(receive.isWoken).toBe(true);
    expect(receive.poll()).toBe(undefined);
  });

  test.each([
    ["release()", (tx: ReturnType<typeof mpsc<number>>[0]) => tx.tryReserve(), (p: Disposable & { release(): void }) => p.release()],
    ["dispose", (tx: ReturnType<typeof mpsc<number>>[0]) => tx.tryReserveMany(1)[0]!, (p: Disposable) => p[Symbol.dispose]()],
  ] as const)("the last permit's %s wakes a closed receiver", (_, take, end) => {
    const [tx, rx] = mpsc<number>(100);
    const permit = take(tx);
    rx.close();
    const receive = task(rx.recv());
    expect(receive.poll()).toBe(PENDING);
    end(permit);
    expect(receive.isWoken).toBe(true);
    expect(receive.poll()).toBe(undefined);
  });

  test("the last permit's send() wakes a closed receiver", () => {
    const [tx, rx] = mpsc<number>(100);
    const permit = tx.tryReserve();
    rx.close();
    const receive = task(rx.recv());
    expect(receive.poll()).toBe(PENDING);
    permit.send(5);
    expect(receive.isWoken).toBe(true);
    expect(receive.poll()).toBe(5);
  });

  test.each(["polled", "dropped"] as const)("a reservation of two that has got one keeps a closed receiver waiting until it is %s", (how) => {
    const [tx, rx] = mpsc<number>(2);
    const permit = tx.tryReserve();
    const both = task(tx.reserveMany(2));
    expect(both.poll()).toBe(PENDING);
    rx.close();
    const recv = task(rx.recv());
    expect(recv.poll()).toBe(PENDING);
    permit.release();
    expect(recv.isWoken).toBe(false);                      // one place is still out
    if (how === "polled") expect(() => both.poll()).toThrow(SendError);
    else both.drop();
    expect(recv.isWoken).toBe(true);
    expect(recv.poll()).toBe(undefined);
  });

  test.each(["polled", "dropped"] as const)("a reservation that was granted its place keeps a closed receiver waiting until it is %s", (how) => {
    const [tx, rx] = mpsc<number>(1);
    const permit = tx.tryReserve();
    const waiting = task(tx.reserve());
    expect(waiting.poll()).toBe(PENDING);
    permit.release();
    expect(waiting.isWoken).toBe(true);
    rx.close();
    const recv = task(rx.recv());
    expect(recv.poll()).toBe(PENDING);
    if (how === "polled") expect(() => waiting.poll()).toThrow(SendError);
    else waiting.drop();
    expect(recv.isWoken).toBe(true);
    expect(recv.poll()).toBe(undefined);
  });

  test("a reservation that waits when the receiver closes is woken, and may be dropped", async () => {
    const [tx, rx] = mpsc<void>(1);
    const permit1 = await tx.reserve();
    const permit2 = task(tx.clone().reserve());
    expect(permit2.poll()).toBe(PENDING);
    rx.close();
    permit1.release();
    expect(permit2.isWoken).toBe(true);
    permit2.drop();
    expect(await rx.recv()).toBe(undefined);
  });

  test("disposing of the receiver refuses everything and lets the messages go", async () => {
    const [tx, rx] = mpsc<object>(100);
    tx.trySend({});
    const permit = tx.tryReserve();
    rx[Symbol.dispose]();
    rx[Symbol.dispose]();
    await expect(tx.reserve()).rejects.toBeInstanceOf(SendError);
    await expect(tx.reserveMany(10)).rejects.toBeInstanceOf(SendError);
    const message = {};
    expect(errorOf(() => tx.trySend(message), TrySendError)).toMatchObject({ code: "TOKIWA_CLOSED", value: message });
    expect(codeOf(() => tx.tryReserve())).toBe("TOKIWA_CLOSED");
    permit.send({});                                       // goes nowhere
    expect([rx.length, await rx.recv()]).toEqual([0, undefined]);
  });

  test("closed() waits for the receiver to close", () => {
    for (const end of ["close", Symbol.dispose] as const) {
      const [tx, rx] = mpsc<number>(1);
      const closed = task(tx.closed());
      expect(closed.poll()).toBe(PENDING);
      rx[end]();
      expect(closed.isWoken).toBe(true);
      expect(closed.poll()).toBe(undefined);
      expect(tx.isClosed).toBe(true);
    }
  });

  test("a send that waits stays good when its sender is closed", async () => {
    const [tx, rx] = mpsc<number>(1);
    tx.trySend(1);
    const sending = task(tx.send(2));
    expect(sending.poll()).toBe(PENDING);
    tx.close();
    expect(rx.isClosed).toBe(false);
    expect(rx.tryRecv()).toBe(1);
    expect(sending.poll()).toBe(undefined);
    expect([rx.tryRecv(), await rx.recv()]).toEqual([2, undefined]);
  });
});

describe("trying", () => {
  test("trySend() fails when full", async () => {
    const [tx, rx] = mpsc<string>(1);
    tx.trySend("hello");
    expect(errorOf(() => tx.trySend("fail"), TrySendError)).toMatchObject({ code: "TOKIWA_FULL", value: "fail" });
    expect(await rx.recv()).toBe("hello");
    tx.trySend("goodbye");
    tx.close();
    expect(await rx.recv()).toBe("goodbye");
    expect(await rx.recv()).toBe(undefined);
  });

  test("tryRecv() tells empty from closed", () => {
    const [tx, rx] = mpsc<string>(1);
    tx.trySend("hello");
    expect(rx.tryRecv()).toBe("hello");
    expect(errorOf(() => rx.tryRecv(), TryRecvError).code).toBe("TOKIWA_EMPTY");
    tx.trySend("goodbye");
    tx.close();
    expect(rx.tryRecv()).toBe("goodbye");
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_CLOSED");
  });

  test("tryRecv() across the ring's end", () => {
    const [tx, rx] = mpsc<string>(5);
    const fill = (count: number): void => {
      for (let i = 0; i < count; i++) tx.trySend("hello");
    };
    const drain = (count: number): void => {
      for (let i = 0; i < count; i++) expect(rx.tryRecv()).toBe("hello");
    };
    fill(5);
    expect(() => fill(1)).toThrow(TrySendError);
    drain(5);
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
    fill(4);
    drain(1);
    fill(2);
    expect(() => fill(1)).toThrow(TrySendError);
    drain(5);
    fill(3);
    tx.close();
    drain(3);
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_CLOSED");
  });

  test("tryRecv() of an unbounded channel of any length", () => {
    for (let count = 0; count < 100; count++) {
      const [tx, rx] = unboundedMpsc<number>();
      for (let i = 0; i < count; i++) tx.send(i);
      for (let i = 0; i < count; i++) expect(rx.tryRecv()).toBe(i);
      expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
      tx.close();
      expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_CLOSED");
    }
  });

  test("tryRecv() after close(), with and without a permit outside", () => {
    const [tx, rx] = mpsc<void>(5);
    const permit = tx.tryReserve();
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
    rx.close();
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
    permit.release();
    expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_CLOSED");
  });
});

describe("reserveMany and tryReserveMany", () => {
  test("more than the capacity is refused", async () => {
    const [tx] = mpsc<void>(1);
    for (const n of [2, Number.MAX_SAFE_INTEGER]) {
      await expect(tx.reserveMany(n)).rejects.toBeInstanceOf(SendError);
      expect(codeOf(() => tx.tryReserveMany(n))).toBe("TOKIWA_FULL");
    }
  });

  test("none is always there, also when full, but not when closed", async () => {
    const [tx, rx] = mpsc<void>(1);
    expect([tx.tryReserveMany(0), await tx.reserveMany(0)]).toEqual([[], []]);
    tx.trySend();
    expect([tx.tryReserveMany(0), await tx.reserveMany(0)]).toEqual([[], []]);
    rx[Symbol.dispose]();
    expect(codeOf(() => tx.tryReserveMany(0))).toBe("TOKIWA_CLOSED");
    await expect(tx.reserveMany(0)).rejects.toBeInstanceOf(SendError);
  });

  test("a permit that is released frees its place", async () => {
    const [tx, rx] = mpsc<string>(1);
    const permit = tx.tryReserve();
    expect(codeOf(() => tx.tryReserve())).toBe("TOKIWA_FULL");
    permit.send("foo");
    expect(await rx.recv()).toBe("foo");
    tx.tryReserve().release();
    tx.tryReserve();
  });

  test("every permit sends one message", async () => {
    const [tx, rx] = mpsc<string>(100);
    for (let i = 0; i < 100; i++) {
      for (const reserve of [() => tx.reserveMany(i), () => tx.tryReserveMany(i)]) {
        for (const permit of await reserve()) {
          permit.send("foo");
          expect(await rx.recv()).toBe("foo");
        }
        expect(codeOf(() => rx.tryRecv())).toBe("TOKIWA_EMPTY");
        expect(tx.capacity).toBe(100);
      }
    }
  });

  test("used and unused permits give back what they hold", () => {
    for (let n = 1; n < 30; n++) {
      for (let k = 0; k < n; k++) {
        const [tx, rx] = mpsc<number>(n);
        const permits = tx.tryReserveMany(n);
        expect(tx.capacity).toBe(0);
        expect(codeOf(() => tx.tryReserveMany(1))).toBe("TOKIWA_FULL");
        for (const permit of permits.splice(0, k)) permit.send(0);
        for (const permit of permits) permit.release();
        expect(tx.capacity).toBe(n - k);
        for (const permit of tx.tryReserveMany(1)) permit.release();
        expect(codeOf(() => tx.tryReserveMany(n - k + 1))).toBe("TOKIWA_FULL");
        for (let i = 0; i < k; i++) expect(rx.tryRecv()).toBe(0);
        expect(tx.capacity).toBe(n);
      }
    }
  });

  test("what is released goes to the reservation that waits, whole", async () => {
    for (let n = 1; n < 50; n++) {
      const [tx] = mpsc<number>(n);
      const permits = await tx.reserveMany(n);
      const second = task(tx.clone().reserveMany(n));
      expect(second.poll()).toBe(PENDING);
      for (const permit of permits) {
        expect(second.isWoken).toBe(false);
        permit.release();
      }
      expect(second.isWoken).toBe(true);
      const got = second.poll();
      if (got === PENDING) throw new Error("not ready");
      for (const permit of got) permit.release();
      expect(tx.capacity).toBe(n);
    }
  });

  test("a large reservation is not overtaken by small ones", () => {
    const [tx] = mpsc<number>(2);
    const held = tx.tryReserveMany(2);
    const trace: string[] = [];
    const large = task(tx.reserveMany(2));
    const small = task(tx.reserve());
    expect([large.poll(), small.poll()]).toEqual([PENDING, PENDING]);
    held[0]!.release();
    trace.push(`${large.isWoken} ${small.isWoken}`);
    held[1]!.release();
    trace.push(`${large.isWoken} ${small.isWoken}`);
    expect(trace).toEqual(["false false", "true false"]);
  });

  test("on a closed channel", async () => {
    const [tx, rx] = mpsc<void>(100);
    rx[Symbol.dispose]();
    await expect(tx.reserveMany(10)).rejects.toBeInstanceOf(SendError);
    expect(codeOf(() => tx.tryReserveMany(10))).toBe("TOKIWA_CLOSED");
  });
});

describe("blocking", () => {
  test("blockingRecv() runs the tasks of this thread until one sends", () => {
    const [tx, rx] = mpsc<number>(1);
    spawn(function* () {
      yield* tx.send(10);
      yield* tx.send(11);
      tx.close();
    });
    expect([rx.blockingRecv(), rx.blockingRecv(), rx.blockingRecv()]).toEqual([10, 11, undefined]);
  });

  test("blockingSend() runs them until one receives", async () => {
    const [tx, rx] = mpsc<number>(1);
    const sum = spawn(function* () {
      return (yield* rx.recv())! + (yield* rx.recv())! + (yield* rx.recv())!;
    });
    for (const value of [1, 2, 4]) tx.blockingSend(value);
    expect(await sum).toBe(7);
  });

  test("blockingRecvMany() takes what there is", () => {
    const [tx, rx] = unboundedMpsc<number>();
    tx.send(1);
    tx.send(2);
    const into: number[] = [];
    expect(rx.blockingRecvMany(into, 10)).toBe(2);
  });

  test("throw inside a task, also when they would not wait", async () => {
    const [tx, rx] = mpsc<number>(1);
    for (const call of [() => tx.blockingSend(1), () => rx.blockingRecv(), () => rx.blockingRecvMany([], 1)]) {
      await expect(run(async () => call())).rejects.toBeInstanceOf(ContextError);
      await expect(
        run(function* () {
          yield* yieldNow();
          call();
        }),
      ).rejects.toBeInstanceOf(ContextError);
    }
  });

  test("are told when nobody can ever send", () => {
    const [, rx] = mpsc<number>(1);
    expect(() => new Runtime().enter(() => rx.blockingRecv())).toThrow(DeadlockError);
  });
});

describe("sendTimeout", () => {
  test("gives up when the time is over, and gives the message back", async () => {
    await run(async () => {
      const [tx, rx] = mpsc<number>(5);
      for (const value of [10, 20, 30, 40, 50]) await tx.sendTimeout(value, 1000);
      const error = await tx.sendTimeout(60, 1000).then(undefined, (thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(SendTimeoutError);
      expect(error).toBeInstanceOf(TimeoutError);
      expect(error).toMatchObject({ code: "TOKIWA_ELAPSED", value: 60 });
      rx[Symbol.dispose]();
      await expect(tx.sendTimeout(70, 1000)).rejects.toMatchObject({ code: "TOKIWA_CLOSED", value: 70 });
    }, paused);
  });

  test("sends when room comes in time, and leaves no timer", async () => {
    await run(async () => {
      const [tx, rx] = mpsc<number>(1);
      await tx.send(1);
      const sending = spawn(() => tx.sendTimeout(2, 1000));
      await yieldNow();
      expect(rx.tryRecv()).toBe(1);
      await sending;
      expect(rx.tryRecv()).toBe(2);
      expect(Runtime.current.metrics().timers).toBe(0);
    }, paused);
  });

  test("needs a runtime for its clock", () => {
    const [tx] = mpsc<number>(5);
    setDefaultRuntime(null);
    try {
      expect(codeOf(() => task(tx.sendTimeout(10, 1000)).poll())).toBe("TOKIWA_NO_RUNTIME");
    } finally {
      setDefaultRuntime(new Runtime());
    }
  });
});

describe("what can be asked", () => {
  test("capacity falls with permits and messages, maxCapacity stays", async () => {
    const [tx, rx] = mpsc<void>(10);
    const all = () => [tx.capacity, tx.maxCapacity, rx.capacity, rx.maxCapacity];
    expect(all()).toEqual([10, 10, 10, 10]);
    await tx.reserve();
    expect(all()).toEqual([9, 10, 9, 10]);
    await tx.send();
    expect(all()).toEqual([8, 10, 8, 10]);
  });

  test("isClosed of the receiver", async () => {
    for (const make of [() => mpsc<number>(10), () => unboundedMpsc<number>()]) {
      const [, rx1] = make();
      expect(rx1.isClosed).toBe(false);
      rx1.close();
      expect(rx1.isClosed).toBe(true);

      const [tx2, rx2] = make();
      const other = tx2.clone();
      for (let i = 0; i < 10; i++) await other.send(i);
      expect(rx2.isClosed).toBe(false);
      other.close();
      other.close();
      expect(rx2.isClosed).toBe(false);
      tx2.close();
      expect([rx2.isClosed, rx2.length]).toEqual([true, 10]);

      const [tx3, rx3] = make();
      for (let i = 0; i < 10; i++) await tx3.send(i);
      rx3.close();
      expect([rx3.isClosed, rx3.length]).toEqual([true, 10]);
    }
  });

  test("a permit keeps its sender counted", async () => {
    const [tx, rx] = mpsc<number>(10);
    const permit = await tx.reserve();
    tx.close();
    expect([rx.isClosed, rx.senderStrongCount]).toEqual([false, 1]);
    permit.send(1);
    expect([rx.isClosed, rx.senderStrongCount]).toEqual([true, 0]);
    expect(await rx.recv()).toBe(1);
  });

  test("isEmpty and length follow what is sent and received", async () => {
    for (const make of [() => mpsc<number>(100), () => unboundedMpsc<number>()]) {
      const [tx, rx] = make();
      expect([rx.isEmpty, rx.length]).toEqual([true, 0]);
      for (let i = 0; i < 100; i++) {
        await tx.send(i);
        expect([rx.isEmpty, rx.length]).toEqual([false, i + 1]);
      }
      tx.close();
      expect(rx.length).toBe(100);
      for (let i = 99; i >= 0; i--) {
        await rx.recv();
        expect([rx.isEmpty, rx.length]).toEqual([i === 0, i]);
      }
    }
  });

  test("length is left as it was by closing either side, in any order", () => {
    for (const make of [() => mpsc<number>(100), () => unboundedMpsc<number>()]) {
      for (const order of ["rx", "rx tx", "tx rx"]) {
        const [tx, rx] = make();
        void (tx as { trySend?: (value: number) => void }).trySend?.(1);
        if (rx.length === 0) void tx.send(1);
        for (const side of order.split(" ")) (side === "tx" ? tx : rx).close();
        expect(rx.length).toBe(1);
      }
    }
  });

  test("sameChannel", () => {
    const [a] = mpsc<number>(1);
    const [b] = mpsc<number>(1);
    expect([a.sameChannel(a.clone()), a.sameChannel(b)]).toEqual([true, false]);
    const [c] = unboundedMpsc<number>();
    expect([c.sameChannel(c.clone()), c.sameChannel(unboundedMpsc<number>()[0])]).toEqual([true, false]);
    for (const other of [undefined, null, 1, {}, c]) expect(() => a.sameChannel(other as never)).toThrow(/^other must be another Sender, got /);
    for (const other of [undefined, null, 1, {}, a]) expect(() => c.sameChannel(other as never)).toThrow(/^other must be another UnboundedSender, got /);
  });
});

describe("other hands", () => {
  test("a loop over ready messages lets others have turns", async () => {
    await run(function* () {
      const [tx, rx] = unboundedMpsc<number>();
      const turn = { had: false };
      for (let i = 0; i < 10_000; i++) tx.send(i);
      spawn(() => {
        turn.had = true;
      });
      for (let i = 0; i < 10_000 && !turn.had; i++) yield* rx.recv();
      expect([turn.had, rx.length > 9000]).toEqual([true, true]);
    });
  });

  test("failing sends spend budget, too", async () => {
    await run(function* () {
      const [tx, rx] = mpsc<number>(1);
      rx.close();
      const turn = { had: false };
      spawn(() => {
        turn.had = true;
      });
      for (let i = 0; i < 1000 && !turn.had; i++) {
        try {
          yield* tx.send(i);
        } catch {
          // refused, as it should be
        }
      }
      expect(turn.had).toBe(true);
    });
  });

  test("workers may share a receiver: every message goes to one of them", async () => {
    const sums = await run(function* () {
      const [tx, rx] = mpsc<number>(3);
      const work = function* () {
        let sum = 0;
        for (let value = yield* rx.recv(); value !== undefined; value = yield* rx.recv()) {
          sum += value;
          yield* yieldNow();
        }
        return sum;
      };
      const workers = [spawn(work), spawn(work), spawn(work)] as const;
      for (let i = 1; i <= 1000; i++) yield* tx.send(i);
      tx.close();
      return yield* join(...workers);
    });
    expect(sums.reduce((a, b) => a + b)).toBe(500_500);
    expect(sums.every((sum) => sum > 0)).toBe(true);
  });

  test("a send that waits keeps a task out of a deadlock report only until nothing can come", () => {
    const [tx] = mpsc<number>(1);
    tx.trySend(1);
    expect(() => new Runtime().blockOn(tx.send(2))).toThrow("room in an mpsc channel");
  });

  test("a receiver as a stream asks for a message when it is read", async () => {
    const [tx, rx] = mpsc<number>(2);
    const reader = rx.toWeb().getReader();
    await tx.send(1);
    await tx.send(2);
    expect(rx.length).toBe(2);
    expect(await reader.read()).toEqual({ done: false, value: 1 });
    expect(rx.length).toBe(1);
    tx.close();
    expect(await reader.read()).toEqual({ done: false, value: 2 });
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  test("cancelling the stream closes the channel", async () => {
    const [tx, rx] = mpsc<number>(2);
    const reader = rx.toWeb().getReader();
    const read = reader.read();
    await reader.cancel();
    expect(tx.isClosed).toBe(true);
    expect(await read).toEqual({ done: true, value: undefined });
  });

  test("a sender as a stream holds its writer back", async () => {
    const [tx, rx] = mpsc<number>(1);
    const source = new ReadableStream<number>({
      start(controller) {
        for (let i = 0; i < 5; i++) controller.enqueue(i);
        controller.close();
      },
    });
    const piped = source.pipeTo(tx.toWeb());
    const all: number[] = [];
    for await (const value of rx) all.push(value);
    await piped;
    expect(all).toEqual([0, 1, 2, 3, 4]);
  });

  test("leaving a loop keeps the receiver open", async () => {
    const [tx, rx] = mpsc<number>(3);
    for (const value of [1, 2, 3]) tx.trySend(value);
    for await (const value of rx) if (value === 2) break;
    expect(rx.tryRecv()).toBe(3);
    expect(tx.isClosed).toBe(false);
  });

  test("an undefined that was sent is an item of a loop", async () => {
    const [tx, rx] = unboundedMpsc<number | undefined>();
    for (const value of [1, undefined, 2]) tx.send(value);
    tx.close();
    const all: (number | undefined)[] = [];
    for await (const value of rx) all.push(value);
    expect(all).toEqual([1, undefined, 2]);
  });
});

test("every half prints with the name it is known by", () => {
  const names = [...mpsc(1), ...unboundedMpsc(), ...broadcast(1), ...watch(1), ...oneshot(), mpsc(1)[0].downgrade()].map((half) => half.constructor.name);
  expect(names).toEqual(["Sender", "Receiver", "UnboundedSender", "UnboundedReceiver", "BroadcastSender", "BroadcastReceiver", "WatchSender", "WatchReceiver", "OneshotSender", "OneshotReceiver", "WeakSender"]);
});

describe("misuse", () => {
  test("capacities that are none", () => {
    for (const capacity of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 53, "3", undefined]) {
      expect(errorOf(() => mpsc(capacity as number), OptionError).message).toMatch(/^capacity must be an integer from 1 to 9007199254740991, got /);
    }
    mpsc(Number.MAX_SAFE_INTEGER);
  });

  test("numbers of permits and limits that are none", () => {
    const [tx, rx] = mpsc<number>(1);
    for (const n of [-1, 0.5, Number.NaN, Infinity]) {
      expect(() => tx.reserveMany(n)).toThrow(OptionError);
      expect(() => tx.tryReserveMany(n)).toThrow(OptionError);
      expect(() => rx.recvMany([], n)).toThrow(OptionError);
    }
    expect(() => rx.recvMany({} as number[], 1)).toThrow("into must be an array, got an object");
    for (const ms of [-1, Number.NaN, "1" as unknown as number]) expect(() => tx.sendTimeout(1, ms)).toThrow(OptionError);
  });

  test("a permit sends once, and may be released any number of times", () => {
    const [tx] = mpsc<number>(3);
    const permit = tx.tryReserve();
    permit.send(1);
    permit.release();
    permit[Symbol.dispose]();
    expect(errorOf(() => permit.send(2), SendError)).toMatchObject({ code: "TOKIWA_COMPLETED", value: 2 });
    const other = tx.tryReserve();
    other.release();
    other.release();
    expect(tx.capacity).toBe(2);
  });

  test("a closed sender refuses, and gives the message back", async () => {
    const [tx] = mpsc<number>(3);
    const open = tx.clone();
    tx.close();
    expect(tx.isClosed).toBe(true);
    await expect(tx.send(1)).rejects.toMatchObject({ code: "TOKIWA_CLOSED", value: 1 });
    expect(errorOf(() => tx.trySend(2), TrySendError).value).toBe(2);
    expect(codeOf(() => tx.tryReserve())).toBe("TOKIWA_CLOSED");
    await expect(tx.reserve()).rejects.toBeInstanceOf(SendError);
    expect(errorOf(() => tx.clone(), TokiwaError).code).toBe("TOKIWA_CLOSED");
    expect(tx.strongCount).toBe(1);
    open.trySend(3);
  });

  test("a send is used once", async () => {
    const [tx, rx] = mpsc<number>(3);
    const sending = tx.send(1);
    await sending;
    await expect(sending).rejects.toMatchObject({ code: "TOKIWA_COMPLETED" });
    await run(function* () {
      const again = tx.send(2);
      yield* again;
      expect(() => again.poll({ wake() {} })).toThrow("single use");
    });
    expect(rx.length).toBe(2);
  });

  test("a task may send to itself", async () => {
    const answer = await run(function* () {
      const [tx, rx] = mpsc<number>(1);
      yield* tx.send(1);
      return yield* rx.recv();
    });
    expect(answer).toBe(1);
  });
});

// Of Tokio's file, without meaning here: AssertUnwindSafe and AssertRefUnwindSafe, no_t_bounds_* (types), drop_all_elements_during_panic
// and release_waker_on_rx_drop (destructors; that memory is let go is measured in sync_leaks.test.ts), the *_stream tests (our
// receivers are async iterables themselves), try_reserve_owned and friends (a permit keeps its sender counted, so every permit is
// an owned one), the threads of blocking_recv and blocking_send (see sharedChannel of tokiwa/threads).
