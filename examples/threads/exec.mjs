// What a thread can be given: closures, async closures, source text. Run: node examples/threads/exec.mjs
import { Thread } from "tokiwa/threads";

const thread = new Thread({ name: "adder" });
try {
  console.log("closure: 1 + 2 =", await thread.exec((a, b) => a + b, 1, 2));

  const late = thread.exec(
    async (a, b) => {
      await tokiwa.sleep(1000);                            // functions sent by source find the package as `tokiwa`
      return a - b;
    },
    1,
    2,
  );
  const later = thread.execJsAsync("return new Promise((resolve) => setTimeout(() => resolve(a - b), 1000))", { a: 1, b: 2 });

  const source = "const add = (x, y) => x + y; return add(1, 2)";
  console.log("source text: add(1, 2) =", await thread.execJs(source));   // the two above wait meanwhile, they hold nothing up
  console.log("async closure, after a second: 1 - 2 =", await late);
  console.log("source text with a timer: 1 - 2 =", await later);

  const outer = 3;
  const { reason } = await thread.exec((n) => n + outer, 1).result();
  console.log(reason.message.split(":")[0]);               // a sent function captures nothing, and the error says which name it missed
} finally {
  thread.terminate();
}
