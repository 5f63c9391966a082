// Workers that cannot begin to serve: a server that lacks a file of the package, and a module that is none. [what came of it, in ms].
const timed = async (handle) => {
  const start = performance.now();
  const { status, value, reason } = await handle.result();
  return [status === "fulfilled" ? value : [reason.code, reason.message], performance.now() - start];
};

export default async (folder) => {
  const { Thread } = await import(`${folder}threads.js`);
  const found = {};
  for (const [name, module] of [["started", undefined], ["no module", new TextEncoder().encode("this is no program").buffer]]) {
    const thread = new Thread({ module });
    found[name] = await timed(thread.exec((a, b) => a + b, 1, 2));
    thread.terminate();
  }
  return found;
};
