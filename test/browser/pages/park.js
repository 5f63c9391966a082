// blockOn() with timers, in a worker.
export default function () {
  const worker = new Worker(new URL("./park-worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
}
