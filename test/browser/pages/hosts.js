import { runAll } from "../../hosts/runner.mjs";

export default () => runAll(undefined, (title) => step(`after "${title}"`));
