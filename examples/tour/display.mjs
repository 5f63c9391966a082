// What the tour shows: a line that lives on a terminal, plain lines elsewhere.
//
// The line that lives is drawn by a tokiwa task, so it also shows when something holds the thread.
import { interval, Runtime } from "tokiwa";

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 80;

export class Display {
  #out;
  #isLive;
  #runtime = new Runtime();
  #spinner;
  #frame = 0;
  #label = "";
  #note = "";

  constructor(out, isLive) {
    this.#out = out;
    this.#isLive = isLive;
  }

  title(text) {
    this.#line(this.#isLive ? `\x1b[1m${text}\x1b[0m` : text);
  }

  begin(position, title) {
    this.#label = `${position} ${title}`;
    this.#note = "";
    if (!this.#isLive) {
      this.#line(`${position} ${title}`);
      return;
    }
    const display = this;
    this.#spinner = this.#runtime.spawn(function* () {
      const frames = interval(FRAME_MS);
      for (;;) {
        yield* frames.tick();
        display.#draw();
      }
    });
  }

  /** What a program says about how far it is; shown on a terminal only. */
  progress(text) {
    this.#note = text;
    if (this.#isLive) this.#draw();
  }

  print(text) {
    this.#clear();
    this.#line(`    ${text}`);
    if (this.#isLive) this.#draw();
  }

  /** @param problem what is wrong, if anything is */
  end(problem, ms) {
    this.#spinner?.abort();
    this.#spinner = undefined;
    this.#clear();
    const took = ms > 0 ? ` (${Math.round(ms)} ms)` : "";
    if (problem) this.#line(`  ${this.#isLive ? "\x1b[31m✗\x1b[0m" : "FAILED"} ${this.#label}: ${problem}`);
    else if (this.#isLive) this.#line(`  \x1b[32m✓\x1b[0m ${this.#label}${took}`);
    else this.#line(`  ok${took}`);
  }

  #draw() {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const width = (this.#out.columns ?? 80) - 1;
    const text = `  ${FRAMES[this.#frame]} ${this.#label}${this.#note ? ` · ${this.#note}` : ""}`;
    this.#out.write(`\r\x1b[K${text.slice(0, width)}`);
  }

  #clear() {
    if (this.#isLive) this.#out.write("\r\x1b[K");
  }

  #line(text) {
    this.#out.write(`${text}\n`);
  }
}
