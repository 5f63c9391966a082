import { runHostPrograms } from "../hosts.mjs";
import { findDeno } from "../lib.mjs";

export default {
  name: "deno",
  hostIndependent: true,
  probe: () => (findDeno() ? undefined : "no Deno (npm i --prefix .nodes/deno deno, or set DENO_PATH)"),
  run: () => runHostPrograms(findDeno(), ["run", "--allow-all", "--no-lock", "--v8-flags=--expose-gc"]),
};
