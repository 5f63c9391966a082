// What issues 2, 3, 4, 5 and 6 want to reach, computed from results. `there` is what ARCHITECTURE.md section 7 says of native
// Tokio (another run, on another machine); `scale` brings it to the machine of the results by the one number that
// both have: a native async function with one await, started and joined, 176 ns there.
export const PROMISE_THERE = 176;

/** @param get (case, side) => median ns or bytes, or undefined */
export function targets(get, ratio) {
  const scale = get("spawn_join_1000", "promise one await") / PROMISE_THERE;
  const toTokio = (name, side, there, limit) => ({
    what: `${name}, ${side}, against native Tokio ${there} (here about ${Math.round(there * scale)})`,
    limit: `${limit}x`,
    value: get(name, side) / (there * scale),
    ok: get(name, side) / (there * scale) <= limit,
    unit: "x",
  });
  const between = (what, value, limit, unit = "x") => ({ what, limit: unit === "x" ? (limit < 0.1 ? `1/${Math.round(1 / limit)}` : `${limit}x`) : `${limit} ${unit}`, value, ok: value <= limit, unit });
  const least = (what, value, limit) => ({ what, limit: `at least ${limit}x`, value, ok: value >= limit, unit: "x" });
  const times = (name, a, b) => get(name, a) / get(name, b);
  return [
    toTokio("yield_many_1000", "generator", 53.5, 0.6),
    toTokio("yield_many_50000", "generator", 53.5, 1),
    between("`yield* yieldNow()` against the bare `yield*` of a leaf", times("yield_many_1000", "generator", "bare yield*"), 2),
    between("a poll of a poll future", get("yield_many_1000", "poll future"), 15, "ns"),
    toTokio("spawn_join_1000", "generator no argument", 261, 0.5),
    between("spawn and join of a generator against a native async function with one await", ratio("spawn_join_1000", "generator no argument"), 1),
    toTokio("chained_spawn", "generator", 224, 0.6),
    toTokio("ping_pong", "generator", 740, 0.6),
    between("async tasks parked on our futures against bare promises", ratio("yield_many_1000", "async"), get.major >= 24 ? 1.5 : 3),
    between("native awaits beside generator tasks against none", ratio("native_await_beside", "after generator tasks"), 1.1),
    least("Effect against generator tasks: yield", times("yield_many_1000", "effect", "generator"), 5),
    least("Effect against generator tasks: spawn and join", times("spawn_join_1000", "effect", "generator"), 5),
    least("Effect against generator tasks: chained spawn", times("chained_spawn", "effect", "generator"), 5),
    least("Effect against generator tasks: ping_pong", times("ping_pong", "effect", "generator"), 5),
    between("timers, 1M live: insert against setTimeout", ratio("timers_insert_1M", "tokiwa"), 1 / 50),
    between("timers, 1M live: cancel against clearTimeout", ratio("timers_cancel_1M", "tokiwa"), 1 / 15),
    between("timers, 1M live: firing, all of them waking one task", get("timers_fire_1M", "one task"), 40, "ns"),
    between("host timers armed for 100 000 sleeps", get("host_timers_armed_100k", "tokiwa"), 1, "timers"),
    between("a drive with 1M ready tasks and a slice of 4 ms: the longest in which no garbage was collected", get("slice_1M_ready", "longest without a collection"), 5, "ms"),
    between("an idle generator task", get("bytes_per_idle_task", "generator"), 250, "B"),
    between("bundle of { run, spawn, sleep }, minified and gzipped", get("bundle_size", "tokiwa { run, spawn, sleep }"), 12 * 1024, "B"),
    between("net: echo of 64 B on 50 connections, generator, against bare events of node:net", ratio("echo_50_64B", "generator"), 1.05),
    between("net: echo of 64 B on 50 connections, generator, against async iterators of node:net", times("echo_50_64B", "generator", "async iterator"), 1),
    between("net: echo of 64 B on 50 connections, async, against async iterators of node:net", times("echo_50_64B", "async", "async iterator"), 1),
    between("net: echo of 16 KiB on 50 connections, generator, against bare events of node:net", ratio("echo_50_16KiB", "generator"), 1.05),
    between("net: echo of 16 KiB on 50 connections, async, against async iterators of node:net", times("echo_50_16KiB", "async", "async iterator"), 1),
    between("net: one-way streaming, generator, against bare events of node:net", ratio("stream_64KiB", "generator"), 1.05),
    between("net: one-way streaming, async, against async iterators of node:net", times("stream_64KiB", "async", "async iterator"), 1),
    between("net: accepting connections, generator, against bare events of node:net", ratio("accept_50_at_once", "generator"), 1.05),
    between("net: memory of an idle connection, generator, against bare node:net", ratio("bytes_per_idle_connection", "generator"), 1.3),
    between("net: memory of an idle connection, async, against bare node:net", ratio("bytes_per_idle_connection", "async"), 1.3),
    between("net: 99th percentile of the latency at 80 % load, generator, against bare node:net", ratio("latency_p99_at_80_percent", "generator"), 2),
    between("net: 99th percentile of the latency at 80 % load, async, against bare node:net", ratio("latency_p99_at_80_percent", "async"), 2),
    between("guest: spawn and run a poll task, C", get("guest_spawn_run", "C"), 15, "ns"),
    between("guest: a yield, C", get("guest_yield_1000", "C"), 12, "ns"),
    between("guest: a yield, C++", get("guest_yield_1000", "C++"), 15, "ns"),
    between("guest: a yield, Rust", get("guest_yield_1000", "Rust"), 25, "ns"),
    between("guest: a wake from JavaScript, beyond the core's own", get("guest_wake", "guest.wake") - get("guest_wake", "core.wake"), 5, "ns"),
    ...(get.major >= 24
      ? [
          between("guest: a blocking sleep against a bare suspending import", ratio("guest_sleep_100", "tk_sleep"), 1.3),
          between("guest: a blocking yield, alone, against a bare suspending import", ratio("guest_suspend_1", "tk_yield"), 1.3),
        ]
      : []),
    ...channelsAndLocks(get, { toTokio, between, least }),
    ...threads(get, ratio, { between, least }),
  ];
}

/** Channels and locks on one thread. A peer is everything on the same case that is not ours and not Effect. */
function channelsAndLocks(get, { toTokio, between, least }) {
  const cases = [
    ["mpsc_bounded_100", ["promises"], 75],
    ["mpsc_bounded_1", ["promises"]],
    ["mpsc_unbounded", ["promises"], 45],
    ["oneshot", ["promises"], 50],
    ["mutex_uncontended", ["promises", "async-mutex", "async-sema", "p-limit", "p-queue"], 45],
    ["semaphore_uncontended", ["promises", "async-sema", "p-limit", "p-queue"], 45],
    ["mutex_contended_10", ["promises", "async-mutex", "async-sema", "p-limit", "p-queue"]],
    ["semaphore_contended_10_on_4", ["promises", "async-mutex", "async-sema", "p-limit", "p-queue"]],
    ["notify_ping_pong", ["promises"]],
  ];
  return cases.flatMap(([name, peers, tokio]) => {
    const best = Math.min(...peers.map((peer) => get(name, peer)));
    return [
      ...(tokio === undefined ? [] : [toTokio(name, "generator", tokio, 1)]),
      ...["generator", "async"].flatMap((side) => [
        least(`sync: ${name}, ${side}, against Effect`, get(name, "effect") / get(name, side), 3),
        between(`sync: ${name}, ${side}, against the best JavaScript peer`, get(name, side) / best, 1),
      ]),
    ];
  });
}

/** Threads, two workers. Ratios of wall time; "against" is how many times as fast. */
function threads(get, ratio, { between, least }) {
  const faster = (name, side, peer) => ratio(name, peer) / ratio(name, side);
  const cold = (side) => ratio("pool_cold_first_result", side) / Math.min(...["piscina", "tinypool", "workerpool", "poolifier", "comlink"].map((peer) => ratio("pool_cold_first_result", peer)).filter((value) => value > 0));
  const perSecond = (side) => 1e9 / get.wall("channel_numbers", side);
  const rows = [];
  for (const [side, raw, pools] of [["tokiwa shared", 5, 25], ["tokiwa messages", 2.5, 10]]) {
    rows.push(
      least(`threads: jobs that do nothing, ${side}, against one postMessage for each`, faster("pool_noop_throughput", side, "raw postMessage"), raw),
      least(`threads: jobs that do nothing, ${side}, against piscina`, faster("pool_noop_throughput", side, "piscina"), pools),
      ...(raw === 5 ? [least(`threads: jobs that do nothing, ${side}, against tinypool`, faster("pool_noop_throughput", side, "tinypool"), pools)] : []),
    );
  }
  return [
    ...rows,
    between("threads: one job at a time, tokiwa shared, against piscina", ratio("pool_noop_latency", "tokiwa shared"), 0.6),
    between("threads: seven short jobs beside a long one, tokiwa shared", get("pool_uneven", "tokiwa shared"), 30, "ms"),
    between("threads: seven short jobs beside a long one, tokiwa messages", get("pool_uneven", "tokiwa messages"), 30, "ms"),
    least("threads: a Julia set on two workers, tokiwa shared, against one thread", 1 / ratio("pool_julia_strips", "tokiwa shared"), 1.8),
    between("threads: CPU time of that against one thread", get("pool_julia_strips", "tokiwa shared") / get("pool_julia_strips", "serial"), 1.05),
    between("threads: first result of a cold pool, tokiwa shared, against the quickest pool", cold("tokiwa shared"), 1),
    between("threads: first result of a cold pool, tokiwa messages, against the quickest pool", cold("tokiwa messages"), 1),
    least("threads: ticks of a 10 ms interval in an idle worker against those with raw postMessage", ratio("pool_interval_ticks", "tokiwa shared"), 0.95),
    least("threads: fib(30) by nested spawns on two workers, tokiwa shared, against sequential", 1 / ratio("fib_30_nested_spawn", "tokiwa shared"), 1.8),
    least("threads: numbers through a channel, in millions a second", Math.max(perSecond("sharedChannel, generator"), perSecond("sharedChannel, blocking")) / 1e6, 1),
    least("threads: messages of 64 bytes against a MessagePort", 1 / ratio("channel_64_bytes", "sharedChannel, generator"), 1),
  ];
}
