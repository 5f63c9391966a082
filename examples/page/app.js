// What the page does: much work in small tasks, while frames are drawn; and three services beside it.

const TASKS = 200_000;
const STEPS = 5;

const show = (id, text) => {
  document.getElementById(id).textContent = text;
};

export async function start({ Instant, Runtime, sleep, spawn, yieldNow }) {
  const runtime = new Runtime();
  let ended = 0;
  let steps = 0;
  let isRunning = true;
  let slowestFrame = 0;

  const bar = document.getElementById("bar");
  let last = 0;
  const frame = (now) => {
    if (last > 0) slowestFrame = Math.max(slowestFrame, now - last);
    last = now;
    bar.style.marginLeft = `${40 + 40 * Math.sin(now / 300)}%`;
    show("ended", ended.toLocaleString("en").replaceAll(",", " "));
    show("steps", steps.toLocaleString("en").replaceAll(",", " "));
    if (isRunning) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);

  function* work() {
    for (let i = 0; i < STEPS; i++) {
      steps++;
      yield* yieldNow();
    }
    ended++;
  }

  // The tasks are spawned by a task, a thousand at a time: making them is work too.
  function* spawnAll() {
    for (let i = 0; i < TASKS; i++) {
      runtime.spawn(work);
      if (i % 1000 === 999) yield* yieldNow();
    }
  }

  async function service(name, ms) {
    await sleep(ms);
    return `${name} ${ms} ms`;
  }

  try {
    const begun = Instant.now();
    const services = [spawn(service, "users", 120), spawn(service, "orders", 90), spawn(service, "prices", 150)];
    await runtime.spawn(spawnAll);
    const answers = [];
    for (const one of services) answers.push(await one);
    show("services", answers.join(", "));
    while (ended < TASKS) await sleep(5);
    const ms = begun.elapsed();
    isRunning = false;
    show("ended", ended.toLocaleString("en").replaceAll(",", " "));
    show("steps", steps.toLocaleString("en").replaceAll(",", " "));
    show("slice", `${runtime.metrics().longestSlice.toFixed(1)} ms`);
    show("frame", `${slowestFrame.toFixed(1)} ms`);
    const status = document.getElementById("status");
    status.textContent = `done in ${Math.round(ms)} ms`;
    status.dataset.state = "done";
  } catch (error) {
    const status = document.getElementById("status");
    status.textContent = String(error);
    status.dataset.state = "failed";
  } finally {
    isRunning = false;
  }
}
