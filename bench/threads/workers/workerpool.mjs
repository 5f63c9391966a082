import workerpool from "workerpool";
import { byName } from "../work.mjs";

workerpool.worker({
  ...byName,
  touch: ([bytes]) => {
    bytes[0]++;
    return new workerpool.Transfer(bytes, [bytes.buffer]);
  },
});
