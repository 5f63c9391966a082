import { runHostPrograms } from "../hosts.mjs";
import { findBun } from "../lib.mjs";

export default {
  name: "bun",
  hostIndependent: true,
  probe: () => (findBun() ? undefined : "no Bun (npm i --prefix .nodes/bun bun, or set BUN_PATH)"),
  run: () => runHostPrograms(findBun(), ["run"]),
};
