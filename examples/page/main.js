// The module of index.html, as it is loaded without a bundler.
import * as tokiwa from "../../dist/index.js";
import { start } from "./app.js";

void start(tokiwa);
