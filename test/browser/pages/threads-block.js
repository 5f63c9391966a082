// Starts the worker that blocks.
export default () =>
  new Promise((resolve, reject) => {
    const worker = new Worker("/test/browser/pages/block-worker.js", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
