import { describe, expect, test } from "vitest";
import { signal } from "tokiwa/net";
import { runProgram } from "./support/net.ts";

describe("signals, each program in a process of its own", { timeout: 60_000 }, () => {
  test("ctrlC() ends a program in good order; the second one is the host's again", async () => {
    const { code, output } = await runProgram(
      `import { run, select, sleep, spawn } from "tokiwa"; import { ctrlC } from "tokiwa/net";
       await run(async () => {
         const waiting = spawn(ctrlC());
         await sleep(1);
         console.log("ready");
         const { name } = await select({ quit: waiting, late: sleep(15_000) });
         console.log(name, process.listenerCount("SIGINT"));
       });`,
      { onOutput: (output, kill) => void (output === "ready\n" && kill("SIGINT")) },
    );
    expect(output).toBe("ready\nquit 0\n");
    expect(code).toBe(0);
  });

  test("signal() counts arrivals between looks as one, and goes on", async () => {
    let sent = 0;
    const { code, output } = await runProgram(
      `import { run } from "tokiwa"; import { signal } from "tokiwa/net";
       await run(function* () {
         const hangup = signal("SIGHUP");
         console.log("ready");
         for (let i = 1; i <= 3; i++) { yield* hangup.recv(); console.log(i); }
         hangup.close();
       });`,
      {
        onOutput: (output, kill) => {
          const lines = output.split("\n").length - 1;
          if (lines > sent && lines <= 3) {
            sent = lines;
            kill("SIGHUP");
          }
        },
      },
    );
    expect(output).toBe("ready\n1\n2\n3\n");
    expect(code).toBe(0);
  });

  const program = (body: string): string => `import { join, run, Runtime, sleep, spawn, timeout } from "tokiwa"; import { ctrlC, signal } from "tokiwa/net";
    const raise = (name) => process.kill(process.pid, name);
    ${body}`;

  test.each([
    ["a signal that was listened for, dropped and listened for again arrives", `await run(async () => {
      signal("SIGUSR2").close();
      const again = signal("SIGUSR2");
      raise("SIGUSR2");
      await timeout(5000, again.recv());
      again.close();
      console.log("ok");
    });`],
    ["dropping one listener leaves the others", `await run(async () => {
      const [one, two, three] = [signal("SIGUSR2"), signal("SIGUSR2"), signal("SIGUSR2")];
      one.close();
      const pending = two.recv();
      pending[Symbol.dispose]();
      raise("SIGUSR2");
      await timeout(5000, join(two.recv(), three.recv()));
      two.close(); three.close();
      console.log("ok");
    });`],
    ["every listener of a signal is told, and the same one again", `await run(async () => {
      const [one, two] = [signal("SIGHUP"), signal("SIGHUP")];
      for (let i = 0; i < 2; i++) {
        raise("SIGHUP");
        await timeout(5000, join(one.recv(), two.recv()));
      }
      one.close(); two.close();
      console.log("ok");
    });`],
    ["several runtimes may wait for one signal, and one that shuts down takes it from nobody", `
      const [one, two, three] = [new Runtime(), new Runtime(), new Runtime()];
      const wait = function* () { const hangup = signal("SIGHUP"); try { yield* hangup.recv(); return "told"; } finally { hangup.close(); } };
      const waiting = [one.spawn(wait), two.spawn(wait), three.spawn(wait)];
      setTimeout(async () => {
        await three.shutdown();
        raise("SIGHUP");
        console.log((await waiting[2].result()).status, await waiting[0], await waiting[1]);
        await one.shutdown(); await two.shutdown();
        console.log("ok");
      }, 20);`],
    ["ctrlC() again after the first one was told", `await run(async () => {
      for (let i = 0; i < 2; i++) {
        const waiting = spawn(ctrlC());
        await sleep(1);
        raise("SIGINT");
        await timeout(5000, waiting);
      }
      console.log("ok");
    });`],
  ])("%s", async (_, body) => {
    const { code, output } = await runProgram(program(body));
    expect(output.trim().split("\n").at(-1)).toBe("ok");
    expect(code).toBe(0);
    if (output.includes("told")) expect(output).toContain("cancelled told told");
  });

  test("an open listener does not keep a process alive, a pending accept does", async () => {
    const open = await runProgram(
      `import { run } from "tokiwa"; import { TcpListener } from "tokiwa/net";
       await run(async () => { await TcpListener.bind({ host: "127.0.0.1", port: 0 }); console.log("bound"); });`,
    );
    expect(open).toEqual({ code: 0, output: "bound\n" });
    const waiting = await runProgram(
      `import { run, sleep, select } from "tokiwa"; import { TcpListener, TcpStream } from "tokiwa/net";
       import { spawn as start } from "node:child_process";
       await run(async () => {
         const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
         start(process.execPath, ["-e", \`setTimeout(() => require("node:net").connect(\${listener.localAddr.port}, "127.0.0.1"), 200)\`], { stdio: "ignore" }).unref();
         const stream = await listener.accept();
         console.log("accepted");
       });`,
    );
    expect(waiting).toEqual({ code: 0, output: "accepted\n" });
  });

  test("running out of descriptors does not end an accept loop", async () => {
    const { code, output } = await runProgram(
      `import { run, spawn, sleep } from "tokiwa"; import { TcpListener, TcpStream } from "tokiwa/net";
       import net from "node:net";
       await run(async () => {
         const listener = await TcpListener.bind({ host: "127.0.0.1", port: 0 });
         const open = [];
         spawn(async () => { for await (const stream of listener) { open.push(stream); spawn(async () => { await stream.writeAll(new Uint8Array([1])); }).result(); } });
         const clients = [];
         for (let i = 0; i < 100; i++) { const socket = net.connect(listener.localAddr.port, "127.0.0.1"); socket.on("error", () => {}); clients.push(socket); }
         await sleep(300);
         for (const client of clients) client.destroy();
         let again;
         while (again === undefined) {                     // those that were not accepted yet come now, and have descriptors of their own
           for (const stream of open.splice(0)) stream.close();
           await sleep(100);
           again = await TcpStream.connect(listener.localAddr).then((stream) => stream, () => undefined);
         }
         console.log(await again.read(new Uint8Array(1)));
         process.exit(0);
       });`,
      { limits: "ulimit -n 60" },
    );
    expect(output).toBe("1\n");
    expect(code).toBe(0);
  });

  test.each(["SIGKILL", "SIGNOPE", "int", "", 2])("%s is refused", (name) => {
    expect(() => signal(name as string)).toThrow(expect.objectContaining({ name: "OptionError" }));
  });
});

// Tokio's signal_ctrl_c, signal_drop_recv, signal_drop_signal, signal_multi_rt, signal_drop_rt, signal_notify_both,
// signal_twice, signal_usr1 and signal_panic (names that are refused) are here. Without a meaning: signal_realtime (the
// host has none), signal_info (no SIGINFO on Linux), signal_no_rt (awaits outside of a runtime are served by the host).
