// The same for a bundler: esbuild examples/page/bundled.js --bundle --format=esm --outfile=...
import { Instant, Runtime, sleep, spawn, yieldNow } from "tokiwa";
import { start } from "./app.js";

void start({ Instant, Runtime, sleep, spawn, yieldNow });
