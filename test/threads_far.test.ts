// Shared primitives without shared memory: home and its clients, whose ports are in one thread here. test/browser has the threads of a page.
import { describe, expect, test } from "vitest";
import { channelHome } from "../bindings/threads/channel-home.ts";
import { type Far, portTo, remote } from "../bindings/threads/far.ts";
import { SharedReceiver } from "../bindings/threads/shared-receiver.ts";
import { SharedSender } from "../bindings/threads/shared-sender.ts";
import { SharedSemaphore } from "../bindings/threads/shared-sync.ts";
import { PACK } from "../bindings/workers/sendable.ts";
import { spawn } from "../bindings/runtime.ts";
import { sleep } from "../bindings/time/sleep.ts";

interface Ends {
  tx: SharedSender<number>;
  rx: SharedReceiver<number>;
  /** A client, and what ends it as the death of its thread does. */
  client(of?: Far): { tx: SharedSender<number>; far: Far; die(): void };
  receiver(): SharedReceiver<number>;
}

const ports: MessagePort[] = [];

function channel(capacity: number): Ends {
  const [sending, receiving] = channelHome(capacity);
  const farOf = (far: Far): [Far, MessagePort] => {
    const port = portTo(far);
    ports.push(port);
    return [remote(port), port];
  };
  return {
    tx: new SharedSender<number>(sending),
    rx: new SharedReceiver<number>(receiving),
    client(of = sending) {
      const [far, port] = farOf(of);
      return { tx: new SharedSender<number>(far), far, die: () => port.close() };
    },
    receiver: () => new SharedReceiver<number>(farOf(receiving)[0]),
  };
}

async function codeOf(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    const { name, code } = error as { name: string; code: string };
    return [name, code];
  }
}

describe("a channel that lives on the thread that made it", () => {
  test("is iterated by a task, which an abort reaches at each step, at home and elsewhere", async () => {
    for (const isHome of [true, false]) {
      const ends = channel(8);
      const rx = isHome ? ends.rx : ends.receiver();
      const got: (number | undefined)[] = [];
      const task = spawn(async () => {
        for await (const n of rx) got.push(n);
      });
      await ends.tx.send(1);
      await ends.tx.send(undefined as never);
      await sleep(20);
      task.abort();
      expect([(await task.result()).status, got]).toEqual(["cancelled", [1, undefined]]);
      await ends.tx.send(2);
      ends.tx.close();
      for await (const n of rx) got.push(n);
      expect(got).toEqual([1, undefined, 2]);
    }
  });

  test("a reserved place is kept for its permit, at home and elsewhere, and a dropped wait gives it back", async () => {
    const { tx, rx, client } = channel(2);
    const other = client();
    const [here] = await tx.reserveMany(1);
    const [there] = await other.tx.reserveMany(1);
    expect(await codeOf(() => tx.reserveMany(3))).toEqual(["SendError", "TOKIWA_CLOSED"]);
    const dropped = other.tx.reserve();
    dropped.poll({ wake() {} });
    await sleep(20);                                       // it waits at home
    there!.release();                                      // its answer is on the way
    dropped[Symbol.dispose]();
    const again = await other.tx.reserve();
    other.tx.close();
    tx.close();
    here!.send(1);
    expect(await codeOf(() => here!.send(0))).toEqual(["SendError", "TOKIWA_COMPLETED"]);
    again.send(2);
    expect([await rx.recv(), await rx.recv(), await rx.recv()]).toEqual([1, 2, undefined]);
  });

  test("sendTimeout() and closed(), and what a closed sender says", async () => {
    const { tx, rx, client } = channel(1);
    const other = client();
    await other.tx.send(1);
    for (const one of [tx, other.tx]) expect(await codeOf(() => one.sendTimeout(2, 5))).toEqual(["TimeoutError", "TOKIWA_ELAPSED"]);
    const over = [tx.closed(), other.tx.closed()].map((wait) => Promise.resolve(wait));
    const twin = other.tx.clone();
    other.tx.close();
    other.tx.close();
    expect([other.tx.isClosed, await codeOf(() => other.tx.send(0)), await codeOf(() => other.tx.reserve())]).toEqual([true, ["SendError", "TOKIWA_CLOSED"], ["SendError", "TOKIWA_CLOSED"]]);
    expect(await codeOf(() => other.tx.clone())).toEqual(["TokiwaError", "TOKIWA_CLOSED"]);
    expect(await rx.recv()).toBe(1);
    await twin.sendTimeout(2, 60_000);
    rx.close();
    await Promise.all(over);
    expect([await codeOf(() => twin.send(3)), await rx.recv(), await rx.recv()]).toEqual([["SendError", "TOKIWA_CLOSED"], 2, undefined]);
  });

  test("recvMany() of several receivers: each message once, and what a dropped one was sent comes again", async () => {
    const { tx, rx, receiver } = channel(8);
    const far = receiver();
    const into: number[] = [];
    const dropped = far.recvMany(into, 3);
    dropped.poll({ wake() {} });
    await sleep(20);
    for (let n = 1; n <= 3; n++) await tx.send(n);
    dropped[Symbol.dispose]();
    await sleep(20);
    expect([await far.recvMany(into, 2), await rx.recvMany(into, 0), await rx.recvMany(into, 8)]).toEqual([2, 0, 1]);
    expect(into).toEqual([1, 2, 3]);
    tx.close();
    expect([await far.recvMany(into, 1), await rx.recvMany(into, 1)]).toEqual([0, 0]);
  });

  test("a message whose receiver was dropped as it came goes to the one who waits by then", async () => {
    const { tx, receiver } = channel(1);
    const far = receiver();
    const dropped = far.recv();
    dropped.poll({ wake() {} });
    await sleep(20);                                       // it waits at home
    await tx.send(1);
    dropped[Symbol.dispose]();
    expect(await far.recv()).toBe(1);
  });

  test("a message that is on its way to a dropped recv() comes before those behind it, and before the end", async () => {
    const { tx, receiver } = channel(8);
    const far = receiver();
    for (const isLast of [false, true]) {
      const dropped = far.recv();
      dropped.poll({ wake() {} });
      await sleep(20);                                     // it waits at home
      for (const n of isLast ? [4] : [1, 2, 3]) await tx.send(n);
      if (isLast) tx.close();
      dropped[Symbol.dispose]();
      const next = far.recv();
      next.poll({ wake() {} });                            // it is asked for before the first comes back
      expect(await next).toBe(isLast ? 4 : 1);
      if (!isLast) expect([await far.recv(), await far.recv()]).toEqual([2, 3]);
    }
    expect(await far.recv()).toBe(undefined);
  });

  test("what is to come back is waited for, unless its thread dies", async () => {
    for (const dies of [false, true]) {
      const [sending, receiving] = channelHome(4);
      const [tx, rx] = [new SharedSender<number>(sending), new SharedReceiver<number>(receiving)];
      const port = portTo(receiving);
      const answerTo = (id: number, op: string): Promise<unknown> => {
        const answer = new Promise((resolve) => (port.onmessage = (event) => resolve(event.data)));
        port.postMessage({ id, op, args: [1] });
        return answer;
      };
      await tx.send(1);
      tx.close();
      expect(await answerTo(1, "recv")).toEqual({ id: 1, value: [1] });
      port.postMessage({ cancel: 1, op: "recv" });         // too late
      await answerTo(2, "capacity");                       // home has seen it
      const trace: unknown[] = [];
      const next = Promise.resolve(rx.recv()).then((value) => trace.push(value));
      await answerTo(3, "capacity");
      expect(trace).toEqual([]);
      expect(await codeOf(() => rx.tryRecv())).toEqual(["TryRecvError", "TOKIWA_EMPTY"]);
      if (dies) port.close();
      else port.postMessage({ id: 0, op: "putBack", args: [[1], true] });
      await next;
      expect([...trace, await rx.recv()]).toEqual([dies ? undefined : 1, undefined]);
      port.close();
    }
  });

  test("one more client is home's own: it outlives the one it came from, which closes only itself", async () => {
    const { tx, rx, client } = channel(4);
    const parent = client();
    const child = client(parent.far);
    tx.close();
    await parent.tx.send(1);
    parent.tx.close();
    await child.tx.send(2);
    parent.die();
    await sleep(20);
    const permits = await child.tx.reserveMany(2);
    expect(permits).toHaveLength(2);
    expect([await rx.recv(), await rx.recv()]).toEqual([1, 2]);
    const end = Promise.resolve(rx.recv());
    child.die();                                           // with its sender and its permits
    expect(await end).toBe(undefined);
  });

  test("a sender that travels with a job is closed when the job is over and it has not arrived", async () => {
    for (const isHome of [true, false]) {
      const { tx, rx, client } = channel(1);
      const from = isHome ? tx : client().tx;
      const [arrives, lost, late] = [1, 2, 3].map(() => from[PACK]());
      const arrived = new SharedSender<number>(remote(arrives!.state as MessagePort));
      for (const { over } of [arrives!, lost!, late!]) over!();
      tx.close();
      if (!isHome) from.close();
      await arrived.send(1);                               // its job is over, and it is still open
      expect(await rx.recv()).toBe(1);
      const again = new SharedSender<number>(remote(late!.state as MessagePort));
      await again.send(2);                                 // it has arrived after all
      expect(await rx.recv()).toBe(2);
      again.close();
      const end = Promise.resolve(rx.recv());
      arrived.close();
      expect(await end).toBe(undefined);
      const tooLate = new SharedSender<number>(remote(lost!.state as MessagePort));
      expect(await codeOf(() => tooLate.send(3))).toEqual(["SendError", "TOKIWA_CLOSED"]);
      ports.push(lost!.state as MessagePort, late!.state as MessagePort, arrives!.state as MessagePort);
    }
  });

  test("what is shared is in no message, at home or elsewhere", async () => {
    const { tx, rx, client } = channel(1);
    const value = [new SharedSemaphore(1)] as never;
    for (const one of [tx, client().tx]) {
      expect(await codeOf(() => one.send(value))).toEqual(["TokiwaError", "TOKIWA_NOT_CLONEABLE"]);
      expect(await codeOf(() => one.sendTimeout(value, 1))).toEqual(["TokiwaError", "TOKIWA_NOT_CLONEABLE"]);
      const permit = await one.reserve();
      expect(await codeOf(() => permit.send(value))).toEqual(["TokiwaError", "TOKIWA_NOT_CLONEABLE"]);
      permit.send(1);
      expect(await rx.recv()).toBe(1);
    }
  });

  test("counts, and what does not wait, work at home and need shared memory elsewhere", async () => {
    const { tx, rx, client, receiver } = channel(2);
    const [other, far] = [client().tx, receiver()];
    const needing: [(t: SharedSender<number>, r: SharedReceiver<number>) => unknown, unknown][] = [
      [(t) => t.trySend(1), undefined],
      [(t) => [t.capacity, t.maxCapacity, t.isClosed, t.strongCount, t.weakCount], [1, 2, false, 2, 0]],
      [(_, r) => [r.length, r.isEmpty, r.capacity, r.maxCapacity, r.isClosed, r.senderStrongCount, r.senderWeakCount], [1, false, 1, 2, false, 2, 0]],
      [(_, r) => r.tryRecv(), 1],
      [(t) => t.tryReserve().send(2), undefined],
      [(t) => t.tryReserveMany(1).map((permit) => permit.release()), [undefined]],
      [(_, r) => r.tryRecv(), 2],
    ];
    for (const [run, outcome] of needing) {
      expect(() => run(other, far)).toThrow(expect.objectContaining({ code: "TOKIWA_NO_SHARED_MEMORY" }));
      expect(run(tx, rx)).toEqual(outcome);
    }
    for (const run of [() => tx.blockingSend(1), () => rx.blockingRecv(), () => tx.downgrade(), () => tx.sameChannel(tx)]) {
      expect(run).toThrow(expect.objectContaining({ code: "TOKIWA_NO_SHARED_MEMORY" }));
    }
    rx.close();
    expect([tx.isClosed, await codeOf(() => tx.trySend(1)), await codeOf(() => rx.tryRecv())]).toEqual([true, ["TrySendError", "TOKIWA_CLOSED"], ["TryRecvError", "TOKIWA_CLOSED"]]);
  });

  test("messages are copies, at home as elsewhere, and what cannot be copied is refused", async () => {
    const { tx, rx, client } = channel(4);
    const other = client().tx;
    for (const sender of [tx, other] as unknown as SharedSender<unknown>[]) {
      const value = { n: 1 };
      const permit = await sender.reserve();
      expect(await codeOf(() => sender.send(() => 0))).toEqual(["TokiwaError", "TOKIWA_NOT_CLONEABLE"]);
      await sender.send(value);
      permit.send(value);
      value.n = 2;
      expect([await rx.recv(), await rx.recv()]).toEqual([{ n: 1 }, { n: 1 }]);
    }
  });
});
