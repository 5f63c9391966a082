// A TCP proxy: everything that comes in goes to another server and back. Run: node examples/net/proxy.mjs
import { run, spawn } from "tokiwa";
import { copyBidirectional, TcpListener, TcpStream } from "tokiwa/net";

async function forward(inbound, target) {
  let outbound;
  try {
    outbound = await TcpStream.connect(target);
    const [there, back] = await copyBidirectional(inbound, outbound);
    console.log(`${there} bytes there, ${back} bytes back`);
  } catch (error) {
    console.error(`not forwarded: ${error.message}`);
  } finally {
    inbound.close();
    outbound?.close();
  }
}

await run(async () => {
  const upstream = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
  const proxy = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
  const answering = spawn(async () => {
    const stream = await upstream.accept();
    const request = await stream.readToEnd();
    await stream.writeAll(new TextEncoder().encode(`you sent ${request.length} bytes`));
    stream.close();
  });
  const forwarding = spawn(async () => forward(await proxy.accept(), upstream.localAddr));

  const client = await TcpStream.connect(proxy.localAddr);
  await client.writeAll(new Uint8Array(100_000));
  await client.shutdown();
  console.log(new TextDecoder().decode(await client.readToEnd()));
  client.close();
  await answering;
  await forwarding;
  upstream.close();
  proxy.close();
});
