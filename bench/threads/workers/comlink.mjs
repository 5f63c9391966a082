import { parentPort } from "node:worker_threads";
import { expose, transfer } from "comlink/dist/esm/comlink.mjs";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { byName } from "../work.mjs";

expose({
  ...byName,
  touch: ([bytes]) => {
    bytes[0]++;
    return transfer(bytes, [bytes.buffer]);
  },
}, nodeEndpoint(parentPort));
