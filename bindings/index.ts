// tokiwa: runtime, tasks, time and combinators. Public names only.

export {
  AcquireError,
  ContextError,
  DeadlockError,
  JoinError,
  LaggedError,
  OptionError,
  RecvError,
  SendError,
  SendTimeoutError,
  SetError,
  TimeoutError,
  TokiwaError,
  TryAcquireError,
  TryLockError,
  TryRecvError,
  TrySendError,
  WouldBlockError,
} from "./errors.ts";
export { type Awaitable, byRef, type Future, future, PENDING, type Suspend, type TaskFn, type Waker } from "./future.ts";
export { blockInPlace, spawnBlocking } from "./blocking.ts";
export { join, type Outcome, select, type Selected, type SelectOptions, tryJoin } from "./combinators.ts";
export {
  currentTask,
  type Flavor,
  run,
  Runtime,
  type RuntimeOptions,
  setDefaultRuntime,
  spawn,
  taskBuilder,
  type TaskBuilder,
  type TaskOptions,
} from "./runtime.ts";
export type { DriveState, Lane } from "./scheduler/contract.ts";
export type { HistogramSnapshot } from "./scheduler/histogram.ts";
export type { RuntimeMetrics } from "./scheduler/metrics.ts";
export { Barrier, type BarrierWaitResult } from "./sync/barrier.ts";
export { broadcast, BroadcastReceiver, BroadcastSender, WeakBroadcastSender } from "./sync/broadcast.ts";
export { mpsc, Permit, Receiver, Sender, WeakSender } from "./sync/mpsc.ts";
export { Mutex, MutexGuard } from "./sync/mutex.ts";
export { type Notified, Notify } from "./sync/notify.ts";
export { OnceCell } from "./sync/once-cell.ts";
export { oneshot, OneshotReceiver, OneshotSender } from "./sync/oneshot.ts";
export { RwLock, type RwLockOptions, RwLockReadGuard, RwLockWriteGuard } from "./sync/rw-lock.ts";
export { Semaphore, SemaphorePermit } from "./sync/semaphore.ts";
export { SetOnce } from "./sync/set-once.ts";
export { unboundedMpsc, UnboundedReceiver, UnboundedSender, WeakUnboundedSender } from "./sync/unbounded.ts";
export { watch, WatchReceiver, WatchSender } from "./sync/watch.ts";
export { CancellationToken, type DropGuard } from "./task/cancellation-token.ts";
export { type Joined, JoinSet } from "./groups/join-set.ts";
export { TaskTracker } from "./groups/task-tracker.ts";
export { lazy } from "./task/lazy.ts";
export { type TaskLocal, taskLocal } from "./task/local.ts";
export { fromEvent, fromPromise } from "./task/promise.ts";
export { AbortHandle } from "./task/abort-handle.ts";
export type { AbortOptions, TaskId } from "./task/abort-handle.ts";
export type { CurrentTask, JoinHandle, TaskMeta, TaskResult } from "./task/task.ts";
export { coop, yieldNow } from "./task/yield.ts";
export { Instant } from "./time/instant.ts";
export { Interval, interval, intervalAt, type IntervalOptions, type MissedTickBehavior } from "./time/interval.ts";
export { type Sleep, sleep, sleepUntil } from "./time/sleep.ts";
export { timeout, timeoutAt } from "./time/timeout.ts";
export type { WorkerMetrics } from "./workers/seam.ts";
export type { Sendable } from "./workers/sendable.ts";
export type { ResourceLimits } from "./workers/start.ts";
