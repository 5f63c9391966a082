// A TCP echo server and 200 clients at once, on one thread.
import { JoinSet, run, spawn } from "tokiwa";
import { copy, TcpListener, TcpStream } from "tokiwa/net";

const CLIENTS = 200;

async function serve(listener) {
  for (let n = 0; n < CLIENTS; n++) {
    const stream = await listener.accept();
    spawn(echo, stream);
  }
}

async function echo(stream) {
  const [reader, writer] = stream.split();
  await copy(reader, writer);
  stream.close();
}

async function client(addr, n) {
  const stream = await TcpStream.connect(addr);
  const message = new TextEncoder().encode(`hello ${n}`);
  await stream.writeAll(message);
  const answer = new Uint8Array(message.length);
  await stream.readExact(answer);
  stream.close();
  return new TextDecoder().decode(answer) === `hello ${n}` ? 1 : 0;
}

export default {
  title: `${CLIENTS} TCP clients at once against an echo server`,
  async run(print, progress) {
    await run(async () => {
      const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
      spawn(serve, listener);
      const clients = new JoinSet();
      for (let n = 0; n < CLIENTS; n++) clients.spawn(client, listener.localAddr, n);
      let right = 0;
      let ended = 0;
      for await (const result of clients) {
        if (result.status === "fulfilled") right += result.value;
        progress(`${++ended} answered`);
      }
      listener.close();
      print(`${right} of ${CLIENTS} got their own words back`);
    });
  },
  check: ([line]) => (line === `${CLIENTS} of ${CLIENTS} got their own words back` ? undefined : `printed ${line}`),
};
