import { run, sleep, spawn } from "/dist/index.js";

export default async function smoke() {
  const spawned = await spawn(async () => {
    await sleep(5);
    return 42;
  });
  const ran = await run(async () => {
    await sleep(1);
    return "done";
  });
  return { spawned, ran };
}
