// Timers: insert, cancel, fire, and churn (cancel one, insert another) while N of them are live.
//
// Delays are spread over a range, as those of timeouts are. Node keeps one list per distinct whole delay, so timers
// of a single delay are its best case: a side of its own.

const FAR = 3_600_000;

/** Repeatable delays: a linear congruential generator. */
function delays(count, least, range) {
  const list = new Float64Array(count);
  let seed = 12345;
  for (let i = 0; i < count; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    list[i] = least + ((seed >>> 8) % range);
  }
  return list;
}

const noop = () => {};

/** One task that holds many sleeps: what a server with a timeout per request has in its wheel. */
async function tokiwaTimers(list) {
  const { future, PENDING, Runtime, sleep } = await import("../lib/tokiwa.mjs");
  const runtime = new Runtime();
  const sleeps = new Array(list.length).fill(undefined);
  /** Runs `fn` inside a poll: that is where timers are set. */
  const inTask = (fn) => runtime.blockOn(future((waker) => (fn(waker), true)));
  const hold = (fn) => {
    // A task that stays, so that its timers have someone to wake.
    runtime.spawn(future((waker) => (fn(waker), PENDING)));
    runtime.drive();
  };
  return { runtime, sleeps, inTask, hold, sleep };
}

const size = (count) => (count >= 1e6 ? `${count / 1e6}M` : `${count / 1e3}k`);

function insert(count) {
  const list = delays(count, FAR, 60_000);
  return {
    name: `timers_insert_${size(count)}`,
    unit: "timer",
    ops: count,
    answer: count,
    turns: count >= 1e6 ? 5 : undefined,
    tokio: "88-346 at 1M",
    base: "setTimeout",
    sides: {
      tokiwa: async () => {
        const { hold, sleep, sleeps } = await tokiwaTimers(list);
        return {
          run() {
            hold((waker) => {
              for (let i = 0; i < count; i++) (sleeps[i] = sleep(list[i])).poll(waker);
            });
            return sleeps.length;
          },
          after() {
            for (const one of sleeps) one[Symbol.dispose]();
          },
        };
      },
      "setTimeout one delay": () => setTimeoutInsert(count, () => FAR),
      setTimeout: () => setTimeoutInsert(count, (i) => list[i]),
    },
  };
}

function setTimeoutInsert(count, delayOf) {
  const handles = new Array(count).fill(undefined);
  return {
    run() {
      for (let i = 0; i < count; i++) handles[i] = setTimeout(noop, delayOf(i));
      return handles.length;
    },
    after() {
      for (const handle of handles) clearTimeout(handle);
    },
  };
}

function cancel(count) {
  const list = delays(count, FAR, 60_000);
  return {
    name: `timers_cancel_${size(count)}`,
    unit: "timer",
    ops: count,
    answer: count,
    turns: count >= 1e6 ? 5 : undefined,
    tokio: "51-59 at 1M",
    base: "setTimeout",
    sides: {
      tokiwa: async () => {
        const { hold, sleep, sleeps } = await tokiwaTimers(list);
        return {
          before() {
            hold((waker) => {
              for (let i = 0; i < count; i++) (sleeps[i] = sleep(list[i])).poll(waker);
            });
          },
          run() {
            for (let i = 0; i < count; i++) sleeps[i][Symbol.dispose]();
            return sleeps.length;
          },
        };
      },
      setTimeout: () => {
        const handles = new Array(count).fill(undefined);
        return {
          before() {
            for (let i = 0; i < count; i++) handles[i] = setTimeout(noop, list[i]);
          },
          run() {
            for (let i = 0; i < count; i++) clearTimeout(handles[i]);
            return handles.length;
          },
        };
      },
    },
  };
}

const CHURNS = 20_000;

function churn(count) {
  const list = delays(count, FAR, 60_000);
  return {
    name: `timers_churn_${size(count)}`,
    unit: "cancel and insert",
    ops: CHURNS,
    answer: CHURNS,
    turns: count >= 1e6 ? 7 : undefined,
    base: "setTimeout",
    sides: {
      tokiwa: async () => {
        const { hold, runtime, sleep, sleeps } = await tokiwaTimers(list);
        let waker;
        hold((w) => {
          waker = w;
          for (let i = 0; i < count; i++) (sleeps[i] = sleep(list[i])).poll(w);
        });
        let at = 0;
        return {
          run: () =>
            runtime.enter(() => {
              let done = 0;
              for (; done < CHURNS; done++) {
                sleeps[at][Symbol.dispose]();
                (sleeps[at] = sleep(list[at])).poll(waker);
                at = at + 7919 < count ? at + 7919 : (at + 7919) % count;
              }
              return done;
            }),
        };
      },
      setTimeout: () => {
        const handles = Array.from(list, (delay) => setTimeout(noop, delay));
        let at = 0;
        return {
          run() {
            let done = 0;
            for (; done < CHURNS; done++) {
              clearTimeout(handles[at]);
              handles[at] = setTimeout(noop, list[at]);
              at = at + 7919 < count ? at + 7919 : (at + 7919) % count;
            }
            return done;
          },
        };
      },
    },
  };
}

function tooLate() {
  throw new Error("a timer fired before all were set: this machine needs a longer lead");
}

/** All of them fire within 200, 20 or 2 ms (500 to 5000 in each), after a pause in which they are set. */
function fire(count) {
  const list = delays(count, 50, count >= 1e6 ? 200 : count >= 1e5 ? 20 : 2);
  const lead = count >= 1e6 ? 12_000 : count >= 1e5 ? 2000 : 200;
  return {
    name: `timers_fire_${size(count)}`,
    unit: "timer",
    ops: count,
    answer: count,
    turns: count >= 1e6 ? 3 : count >= 1e5 ? 5 : undefined,
    tokio: "557-662 at 1M",
    base: "setTimeout",
    sides: {
      "generator tasks": async () => {
        // Each timer wakes a task of its own, which is polled and ends.
        const { Runtime, sleepUntil, Instant } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        let fired = 0;
        let finished, done;
        function* work(deadline) {
          yield* sleepUntil(deadline);
          if (++fired === count) done();
        }
        return {
          async before() {
            fired = 0;
            finished = new Promise((resolve) => (done = resolve));
            const start = Instant.now().add(lead);
            for (let i = 0; i < count; i++) runtime.spawn(work, start.add(list[i]));
            while (runtime.drive().more);
          },
          run: () => (fired > 0 ? tooLate() : finished.then(() => fired)),
        };
      },
      "one task": async () => {
        // All of them wake the same task: the wheel alone, and a poll for each millisecond.
        const { future, PENDING, Runtime, sleepUntil, Instant } = await import("../lib/tokiwa.mjs");
        const runtime = new Runtime();
        const sleeps = new Array(count).fill(undefined);
        let finished, done;
        let hasFired = false;
        return {
          async before() {
            hasFired = false;
            finished = new Promise((resolve) => (done = resolve));
            const start = Instant.now().add(lead);
            const last = start.add(list.reduce((a, b) => Math.max(a, b), 0));
            runtime.spawn(
              future((waker) => {
                if (sleeps[0] === undefined) {
                  for (let i = 0; i < count; i++) (sleeps[i] = sleepUntil(start.add(list[i]))).poll(waker);
                  return PENDING;
                }
                hasFired = true;
                if (last.compare(Instant.now()) <= 0) {
                  sleeps.fill(undefined);
                  done();
                  return true;
                }
                return PENDING;
              }),
            );
            while (runtime.drive().more);
          },
          run: () => (hasFired ? tooLate() : finished.then(() => count)),
        };
      },
      setTimeout: () => {
        let fired = 0;
        let finished, done;
        const onTimer = () => {
          if (++fired === count) done();
        };
        return {
          before() {
            fired = 0;
            finished = new Promise((resolve) => (done = resolve));
            const start = performance.now() + lead;
            for (let i = 0; i < count; i++) setTimeout(onTimer, start + list[i] - performance.now());
          },
          run: () => (fired > 0 ? tooLate() : finished.then(() => fired)),
        };
      },
    },
  };
}

/** How many timers of the host are armed for 100 000 waits. */
const armed = {
  name: "host_timers_armed_100k",
  unit: "host timers armed for 100 000 waits",
  kind: "value",
  turns: 1,
  base: "setTimeout",
  sides: {
    tokiwa: async () => {
      const list = delays(100_000, FAR, 60_000);
      const { hold, sleep } = await tokiwaTimers(list);
      return {
        async run() {
          hold((waker) => {
            for (const delay of list) sleep(delay).poll(waker);
          });
          await new Promise((resolve) => setImmediate(resolve));
          return countTimeouts();
        },
      };
    },
    setTimeout: () => ({
      run() {
        for (const delay of delays(100_000, FAR, 60_000)) setTimeout(noop, delay);
        return countTimeouts();
      },
    }),
  },
};

const countTimeouts = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

export default [1000, 100_000, 1_000_000].flatMap((count) => [insert(count), cancel(count), churn(count), fire(count)]).concat(armed);
