// The same words echoed over TCP, a Unix socket and UDP.
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, spawn } from "tokiwa";
import { copy, TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream } from "tokiwa/net";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LOOPBACK = { host: "127.0.0.1", port: 0 };

async function echoOne(listener) {
  const stream = await listener.accept();
  const [reader, writer] = stream.split();
  await copy(reader, writer);
  stream.close();
}

async function ask(stream, words) {
  await stream.writeAll(encoder.encode(words));
  await stream.shutdown();
  const answer = decoder.decode(await stream.readToEnd());
  stream.close();
  return answer;
}

async function overStreams(listener, connect, words) {
  const serving = spawn(echoOne, listener);
  const answer = await ask(await connect(listener.localAddr), words);
  await serving;
  listener.close();
  return answer;
}

async function overDatagrams(words) {
  const [server, client] = [await UdpSocket.bind(LOOPBACK), await UdpSocket.bind(LOOPBACK)];
  const serving = spawn(async () => {
    const buffer = new Uint8Array(1500);
    const [length, from] = await server.recvFrom(buffer);
    await server.sendTo(buffer.subarray(0, length), from);
  });
  await client.connect(server.localAddr);
  await client.send(encoder.encode(words));
  const buffer = new Uint8Array(1500);
  const length = await client.recv(buffer);
  await serving;
  server.close();
  client.close();
  return decoder.decode(buffer.subarray(0, length));
}

export default {
  title: "an echo over TCP, a Unix socket and UDP",
  async run(print) {
    const path = join(tmpdir(), `tokiwa-tour-${process.pid}.sock`);
    await run(async () => {
      print(await overStreams(await TcpListener.bind(LOOPBACK), (addr) => TcpStream.connect(addr), "over TCP"));
      print(await overStreams(await UnixListener.bind({ path }), (addr) => UnixStream.connect(addr), "over a Unix socket"));
      print(await overDatagrams("over UDP"));
    });
    rmSync(path, { force: true });
  },
  check: (lines) => (lines.join() === "over TCP,over a Unix socket,over UDP" ? undefined : `printed ${lines.join()}`),
};
