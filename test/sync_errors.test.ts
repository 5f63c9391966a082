// After tokio/tests/sync_errors.rs: what the errors of channels and locks are, and how they print.
import { describe, expect, test } from "vitest";
import {
  AcquireError, broadcast, type Future, LaggedError, mpsc, Mutex, OnceCell, oneshot, PENDING, RecvError, run, RwLock, Semaphore, SendError, SendTimeoutError, SetError, SetOnce, TimeoutError, TokiwaError, TryAcquireError, TryLockError, TryRecvError, TrySendError, unboundedMpsc, watch,
} from "tokiwa";
import { task } from "tokiwa/testing";

type Kind = abstract new (...args: never[]) => Error;
type Case = [title: string, cause: () => unknown, kinds: readonly Kind[], code: string, own?: object];

const closedSender = () => {
  const [tx, rx] = mpsc<string>(1);
  rx.close();
  return tx;
};
const poll = (future: Future<unknown>): unknown => task(future).poll();
const message = { text: "hello" };

const cases: readonly Case[] = [
  ["send() of a closed channel", () => poll(closedSender().send("m")), [SendError], "TOKIWA_CLOSED", { value: "m" }],
  ["trySend() of a closed channel", () => closedSender().trySend("m"), [TrySendError, SendError], "TOKIWA_CLOSED", { value: "m" }],
  ["trySend() of a full channel", () => { const [tx] = mpsc<object>(1); tx.trySend({}); tx.trySend(message); }, [TrySendError, SendError], "TOKIWA_FULL", { value: message }],
  ["tryReserve() of a full channel", () => { const [tx] = mpsc<number>(1); tx.trySend(1); tx.tryReserve(); }, [TrySendError], "TOKIWA_FULL"],
  ["tryReserveMany() of more than there is room for", () => mpsc(2)[0].tryReserveMany(3), [TrySendError], "TOKIWA_FULL"],
  ["reserve() of a closed channel", () => poll(closedSender().reserve()), [SendError], "TOKIWA_CLOSED"],
  ["reserveMany() of more than the capacity", () => poll(mpsc(2)[0].reserveMany(3)), [SendError], "TOKIWA_CLOSED"],
  ["send() of a closed unbounded channel", () => { const [tx, rx] = unboundedMpsc<number>(); rx.close(); tx.send(4); }, [SendError], "TOKIWA_CLOSED", { value: 4 }],
  ["tryRecv() of an empty channel", () => { const [tx, rx] = mpsc(1); void tx; rx.tryRecv(); }, [TryRecvError, RecvError], "TOKIWA_EMPTY"],
  ["tryRecv() of an ended channel", () => { const [tx, rx] = mpsc(1); tx.close(); rx.tryRecv(); }, [TryRecvError, RecvError], "TOKIWA_CLOSED"],
  ["send() of a oneshot whose receiver is closed", () => { const [tx, rx] = oneshot<number>(); rx.close(); tx.send(5); }, [SendError], "TOKIWA_CLOSED", { value: 5 }],
  ["a oneshot whose sender is closed", () => { const [tx, rx] = oneshot<number>(); tx.close(); poll(rx); }, [RecvError], "TOKIWA_CLOSED"],
  ["tryRecv() of a oneshot", () => oneshot()[1].tryRecv(), [TryRecvError, RecvError], "TOKIWA_EMPTY"],
  ["send() of a broadcast without receivers", () => { const [tx, rx] = broadcast<number>(1); rx.close(); tx.send(6); }, [SendError], "TOKIWA_CLOSED", { value: 6 }],
  ["recv() of a broadcast that lagged", () => { const [tx, rx] = broadcast<number>(1); for (let i = 0; i < 4; i++) tx.send(i); poll(rx.recv()); }, [LaggedError, RecvError], "TOKIWA_LAGGED", { skipped: 3 }],
  ["tryRecv() of a broadcast that lagged", () => { const [tx, rx] = broadcast<number>(1); for (let i = 0; i < 4; i++) tx.send(i); rx.tryRecv(); }, [LaggedError, RecvError], "TOKIWA_LAGGED", { skipped: 3 }],
  ["recv() of an ended broadcast", () => { const [tx, rx] = broadcast<number>(1); tx.close(); poll(rx.recv()); }, [RecvError], "TOKIWA_CLOSED"],
  ["tryRecv() of an empty broadcast", () => broadcast(1)[1].tryRecv(), [TryRecvError, RecvError], "TOKIWA_EMPTY"],
  ["send() of a watch without receivers", () => { const [tx, rx] = watch(0); rx.close(); tx.send(7); }, [SendError], "TOKIWA_CLOSED", { value: 7 }],
  ["changed() of an ended watch", () => { const [tx, rx] = watch(0); tx.close(); poll(rx.changed()); }, [RecvError], "TOKIWA_CLOSED"],
  ["hasChanged of an ended watch", () => { const [tx, rx] = watch(0); tx.close(); void rx.hasChanged; }, [RecvError], "TOKIWA_CLOSED"],
  ["tryLock() of a held mutex", () => { const mutex = new Mutex(0); mutex.tryLock(); mutex.tryLock(); }, [TryLockError], "TOKIWA_LOCKED"],
  ["tryRead() of a lock that is written", () => { const lock = new RwLock(0); lock.tryWrite(); lock.tryRead(); }, [TryLockError], "TOKIWA_LOCKED"],
  ["tryWrite() of a lock that is read", () => { const lock = new RwLock(0); lock.tryRead(); lock.tryWrite(); }, [TryLockError], "TOKIWA_LOCKED"],
  ["acquire() of a closed semaphore", () => { const semaphore = new Semaphore(1); semaphore.close(); poll(semaphore.acquire()); }, [AcquireError], "TOKIWA_CLOSED"],
  ["tryAcquire() without permits", () => new Semaphore(0).tryAcquire(), [TryAcquireError], "TOKIWA_NO_PERMITS"],
  ["tryAcquire() of a closed semaphore", () => { const semaphore = new Semaphore(1); semaphore.close(); semaphore.tryAcquire(); }, [TryAcquireError], "TOKIWA_CLOSED"],
  ["set() of a full cell", () => new OnceCell(1).set(2), [SetError], "TOKIWA_ALREADY_INITIALIZED", { value: 2 }],
  ["set() of a cell that is being initialised", () => { const cell = new OnceCell<number>(); expect(poll(cell.getOrInit(() => new Promise<number>(() => {})))).toBe(PENDING); cell.set(2); }, [SetError], "TOKIWA_INITIALIZING", { value: 2 }],
  ["set() of a SetOnce, twice", () => { const once = new SetOnce(); once.set(1); once.set(2); }, [SetError], "TOKIWA_ALREADY_INITIALIZED", { value: 2 }],
];

function thrownBy(cause: () => unknown): TokiwaError {
  try {
    cause();
  } catch (error) {
    return error as TokiwaError;
  }
  throw new Error("nothing was thrown");
}

describe("every error has a class, a code and a message of its own", () => {
  test.each(cases)("%s", (_, cause, kinds, code, own = {}) => {
    const error = thrownBy(cause);
    for (const kind of [...kinds, TokiwaError, Error]) expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ code, name: kinds[0]!.name, ...own });
    expect(error.message).not.toBe("");
    expect(String(error)).toBe(`${error.name}: ${error.message}`);
    expect(error.stack).toContain(error.message);
  });
});

test("sendTimeout() gives the message back in an error that is a TimeoutError", async () => {
  await run(async () => {
    const [tx] = mpsc<number>(1);
    tx.trySend(1);
    const error = await tx.sendTimeout(2, 10).then(() => undefined, (reason: unknown) => reason);
    expect(error).toBeInstanceOf(SendTimeoutError);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ code: "TOKIWA_ELAPSED", value: 2 });
  }, { startPaused: true });
});

// Without meaning here: the bounds on the error types (Send, Sync).
