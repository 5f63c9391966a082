// tokiwa as servers and pages without a bundler load it: with its threads installed. A bundler takes
// index.ts, and leaves the threads out unless something of them is imported.

import { provideThreads } from "./workers/provider.ts";

export * from "./index.ts";

provideThreads();
