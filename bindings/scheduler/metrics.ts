// What `runtime.metrics()` says. Apart from the scheduler, which only counts: so a bundle that never asks does not hold it.

import { ARENA_TIMER_COUNT } from "../../assembly/layout.ts";
import type { CurrentThread } from "./current-thread.ts";
import { type HistogramSnapshot, snapshotOf } from "./histogram.ts";

/** Counts since the scheduler was made, and how things stand. */
export interface RuntimeMetrics {
  readonly tasksAlive: number;
  readonly tasksSpawned: number;
  readonly polls: number;
  readonly queueDepth: number;
  readonly timers: number;
  readonly drives: number;
  /** Longest time one drive took, in ms. */
  readonly longestSlice: number;
  /** Durations of drives. */
  readonly sliceTimes: HistogramSnapshot;
  /** Durations of single polls; about one in 256 is timed. */
  readonly pollTimes: HistogramSnapshot;
}

export function metricsOf(scheduler: CurrentThread): RuntimeMetrics {
  const { core, arena, isClosed } = scheduler;
  return {
    tasksAlive: scheduler.alive,
    tasksSpawned: scheduler.spawned,
    polls: scheduler.polls,
    queueDepth: isClosed ? 0 : core.exports.ready(arena),
    timers: isClosed ? 0 : (core.i32[(arena + ARENA_TIMER_COUNT) >> 2] as number),
    drives: scheduler.drives,
    longestSlice: scheduler.longestSlice,
    sliceTimes: snapshotOf(scheduler.sliceTimes),
    pollTimes: snapshotOf(scheduler.pollTimes),
  };
}
