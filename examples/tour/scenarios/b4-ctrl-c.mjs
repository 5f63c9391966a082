// An HTTP server that is told to stop by Ctrl-C while it answers: no new connections, nobody is cut off.
import { Barrier, CancellationToken, run, select, sleep, spawn, TaskTracker } from "tokiwa";
import { ctrlC, TcpListener } from "tokiwa/net";
import { MessageReader, respond } from "../../net/http.mjs";

const REQUESTS = 20;

function* connection(stream, begun) {
  const reader = new MessageReader(stream, "REQUEST");
  try {
    const request = yield* reader.head();
    yield* reader.skipBody(0);
    yield* begun.wait();
    yield* sleep(50);                                      // work that takes a while
    yield* respond(stream, 200, "OK", ["content-type", "text/plain"], `you asked for ${request.url}`, false);
  } finally {
    stream.close();
  }
}

async function serve(listener, stop, begun) {
  const tracker = new TaskTracker();
  const accepting = spawn(function* () {
    for (;;) tracker.spawn(connection, yield* listener.accept(), begun).result();
  });
  await stop.cancelled();
  accepting.abort();
  listener.close();
  tracker.close();
  await tracker.wait();
}

export default {
  title: `Ctrl-C while ${REQUESTS} HTTP requests are being answered`,
  async run(print) {
    await run(async () => {
      const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
      const origin = `http://127.0.0.1:${listener.localAddr.port}`;
      const stop = new CancellationToken();
      const begun = new Barrier(REQUESTS + 1);
      const serving = spawn(serve, listener, stop, begun);
      const asking = Promise.all(Array.from({ length: REQUESTS }, async (_, i) => (await fetch(`${origin}/${i}`)).text()));
      const stopping = spawn(async () => {
        await ctrlC();
        print("told to stop");
        stop.cancel("Ctrl-C");
      });
      await begun.wait();
      process.kill(process.pid, "SIGINT");
      await select({ stopping, never: sleep(5000) });
      const answers = await asking;
      await serving;
      print(`${answers.filter((text, i) => text === `you asked for /${i}`).length} of ${REQUESTS} were answered`);
      print(await fetch(origin).then(() => "still listening", () => "nobody listens any more"));
    });
  },
  check(lines) {
    const expected = ["told to stop", `${REQUESTS} of ${REQUESTS} were answered`, "nobody listens any more"];
    return lines.join("\n") === expected.join("\n") ? undefined : `printed ${JSON.stringify(lines)}`;
  },
};
