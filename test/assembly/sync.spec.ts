import { loadLong, loadWord, notifyWord, replaceWord, setBits, storeWord, takeBits, waitWord } from "../../assembly/sync";
import { newHeap } from "./support";

let word: usize = 0;

describe("shared words", () => {
  beforeAll(() => {
    word = newHeap(1);
  });

  it("are replaced only if they are what is expected", () => {
    storeWord(word, 5);
    expect(replaceWord(word, 4, 6)).toBe(false);
    expect<u32>(loadWord(word)).toBe(5);
    expect(replaceWord(word, 5, 6)).toBe(true);
    expect<u32>(loadWord(word)).toBe(6);
  });

  it("of bits are set and taken whole", () => {
    expect<u64>(setBits(word + 8, 1)).toBe(0);
    expect<u64>(setBits(word + 8, <u64>1 << 63)).toBe(1);
    expect<u64>(takeBits(word + 8)).toBe((<u64>1 << 63) | 1);
    expect<u64>(loadLong(word + 8)).toBe(0);
  });

  it("are waited for until the time is up, and not at all when they differ", () => {
    storeWord(word, 1);
    expect(waitWord(word, 1, 1_000_000)).toBe(true);
    expect(waitWord(word, 2, -1)).toBe(false);
    notifyWord(word); // nobody waits
  });
});
