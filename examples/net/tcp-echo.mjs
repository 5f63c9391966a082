// A TCP echo server and a client. Run: node examples/net/tcp-echo.mjs        or, to serve: ... tcp-echo.mjs 7000
//
// A task for each connection. The server reads into one buffer per connection and writes from it, so a client that
// does not read what comes back stops its own task, and nothing else.
import { run, select, spawn } from "tokiwa";
import { ctrlC, TcpListener, TcpStream } from "tokiwa/net";

function* echo(stream) {
  const buffer = new Uint8Array(16_384);
  try {
    for (let n; (n = yield* stream.read(buffer)) > 0; ) yield* stream.writeAll(buffer.subarray(0, n));
  } catch (error) {
    console.error(`a client left: ${error.code}`);
  } finally {
    stream.close();
  }
}

function* serve(listener) {
  for (;;) spawn(echo, yield* listener.accept());
}

async function client(addr, text) {
  const stream = await TcpStream.connect(addr);
  try {
    await stream.writeAll(new TextEncoder().encode(text));
    await stream.shutdown();
    return new TextDecoder().decode(await stream.readToEnd());
  } finally {
    stream.close();
  }
}

await run(async () => {
  const port = Number(process.argv[2] ?? 0);
  const listener = await TcpListener.bind({ host: "127.0.0.1", port });
  const server = spawn(serve, listener);
  if (port !== 0) {
    console.log(`echoing on ${listener.localAddr.host}:${port}, Ctrl-C ends it`);
    await select({ server, quit: ctrlC() });
  } else {
    const answers = await Promise.all(["one", "two", "three"].map((text) => spawn(client, listener.localAddr, text)));
    console.log(`echoed: ${answers.join(", ")}`);
  }
  server.abort();
  listener.close();
});
