// Functions of a guest on another thread, beside a function of JavaScript there: one after the other, and all at once.
import { Thread } from "../../dist/threads.js";
import { threadsOf } from "./guests.mjs";

const JOBS = 200;

const c = (isBatch) => async () => {
  const { guest, call } = await threadsOf();
  const thread = call.thread_new();
  const started = () => call.thread_exec(thread, call.negative_fn(), 0, 0);
  const ended = async (job) => {
    const result = await guest.spawn(call.wait_fn(), job);
    call.job_drop(job);
    return result;
  };
  return {
    async run() {
      let sum = 0;
      if (isBatch) for (const result of await Promise.all(Array.from({ length: JOBS }, () => ended(started())))) sum += result;
      else for (let i = 0; i < JOBS; i++) sum += await ended(started());
      return sum;
    },
  };
};

const js = (isBatch) => async () => {
  const thread = new Thread();
  const job = () => thread.exec(() => 1000 - 77);
  await job();
  return {
    async run() {
      let sum = 0;
      if (isBatch) for (const result of await Promise.all(Array.from({ length: JOBS }, job))) sum += result;
      else for (let i = 0; i < JOBS; i++) sum += await job();
      return sum;
    },
  };
};

export default [
  { name: "guest_thread_exec", unit: "job", ops: JOBS, answer: JOBS * 923, base: "JS", sides: { C: c(false), JS: js(false) } },
  { name: "guest_thread_exec_batch", unit: "job", ops: JOBS, answer: JOBS * 923, base: "JS", sides: { C: c(true), JS: js(true) } },
];
