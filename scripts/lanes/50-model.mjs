// Every interleaving of the compiled core. Needs JSPI (Node 26): on an older Node it runs with the one in
// .nodes/26, if it is there.
import { findJspiNode } from "../lib.mjs";
import { vitest } from "../vitest.mjs";

export default {
  name: "model",
  hostIndependent: true,
  probe: () => (findJspiNode() ? undefined : "this Node has no JSPI (Node 26 has) and .nodes/26 is missing"),
  run: () => vitest("model", { nodePath: findJspiNode() }),
};
