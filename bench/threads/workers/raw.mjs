import { parentPort } from "node:worker_threads";
import { byName } from "../work.mjs";

parentPort.on("message", ([id, name, args]) => {
  const value = byName[name](args);
  parentPort.postMessage([id, value], name === "touch" ? [value.buffer] : undefined);
});
