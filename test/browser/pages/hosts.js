import { runAll } from "../../hosts/runner.mjs";

export default () => runAll();
