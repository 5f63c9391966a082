import { ThreadWorker } from "poolifier";
import { byName } from "../work.mjs";

export default new ThreadWorker(byName);
