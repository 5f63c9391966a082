// A runtime of one's own, on this thread.
import { Runtime } from "tokiwa";

export default {
  title: "an explicit current-thread runtime",
  run(print) {
    const runtime = new Runtime({ flavor: "current-thread" });
    const answer = runtime.blockOn(function* () {
      return yield* runtime.spawn(function* () {
        return 21 * 2;
      });
    });
    print(`current-thread runtime computed: ${answer}`);
    return runtime.shutdown();
  },
  check: ([line]) => (line === "current-thread runtime computed: 42" ? undefined : `printed ${line}`),
};
