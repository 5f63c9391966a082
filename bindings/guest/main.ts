// tokiwa/guest as servers and pages without a bundler load it: its guests can have threads. A bundler takes index.ts, and
// leaves the threads out unless provideGuestThreads() is called.

import { provideGuestThreads } from "./provide.ts";

export * from "./index.ts";

provideGuestThreads();
