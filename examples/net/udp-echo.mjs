// A UDP echo server and a client that asks again when no answer comes. Run: node examples/net/udp-echo.mjs
import { run, spawn, timeout, TimeoutError } from "tokiwa";
import { UdpSocket } from "tokiwa/net";

function* serve(socket) {
  const buffer = new Uint8Array(1500);
  for (let count = 0; ; count++) {
    const [length, from] = yield* socket.recvFrom(buffer);
    if (count === 1) continue;                             // loses one, as a network would
    yield* socket.sendTo(buffer.subarray(0, length), from);
  }
}

async function ask(socket, text) {
  const buffer = new Uint8Array(1500);
  for (let attempt = 1; ; attempt++) {
    await socket.send(new TextEncoder().encode(text));
    try {
      const length = await timeout(100, socket.recv(buffer));
      return `${new TextDecoder().decode(buffer.subarray(0, length))} (attempt ${attempt})`;
    } catch (error) {
      if (!(error instanceof TimeoutError) || attempt === 5) throw error;
    }
  }
}

await run(async () => {
  const server = await UdpSocket.bind({ host: "127.0.0.1", port: 0 });
  const client = await UdpSocket.bind({ host: "127.0.0.1", port: 0 });
  const serving = spawn(serve, server);
  await client.connect(server.localAddr);
  for (const text of ["one", "two", "three"]) console.log(await ask(client, text));
  serving.abort();
  server.close();
  client.close();
});
