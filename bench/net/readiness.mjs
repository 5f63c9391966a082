// Where the readiness of a socket could live: a field of the JavaScript object that its callback needs anyway, a
// word of the core's memory, or behind calls of the core. One operation is set, test and clear, over 1000 sockets.
const SOCKETS = 1000;
const ROUNDS = 100;

/** (module (memory 1) (func set (i32)) (func take (i32) -> i32)): the least a core could do. */
const CORE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 10, 2, 96, 1, 127, 0, 96, 1, 127, 1, 127, 3, 3, 2, 0, 1, 5, 3, 1, 0, 1, 7, 23, 3, 6, 109, 101, 109, 111, 114, 121, 2, 0, 3, 115,
  101, 116, 0, 0, 4, 116, 97, 107, 101, 0, 1, 10, 26, 2, 9, 0, 32, 0, 65, 1, 54, 2, 0, 11, 14, 0, 32, 0, 40, 2, 0, 32, 0, 65, 0, 54, 2, 0, 11,
]);

class Registration {
  index;
  isReady = false;
  constructor(index) {
    this.index = index;
  }
}

const registrations = () => Array.from({ length: SOCKETS }, (_, i) => new Registration(i));

function side(setup) {
  return () => {
    const { set, take } = setup();
    const all = registrations();
    return {
      run() {
        let count = 0;
        for (let round = 0; round < ROUNDS; round++) {
          for (const one of all) set(one);
          for (const one of all) count += take(one);
        }
        return count;
      },
    };
  };
}

const instance = () => new WebAssembly.Instance(new WebAssembly.Module(CORE)).exports;

export default [
  {
    name: "readiness",
    unit: "set, test and clear",
    ops: SOCKETS * ROUNDS,
    answer: SOCKETS * ROUNDS,
    base: "field",
    sides: {
      "core calls": side(() => {
        const { set, take } = instance();
        return { set: (one) => set(one.index << 2), take: (one) => take(one.index << 2) };
      }),
      "word of the core": side(() => {
        const words = new Int32Array(instance().memory.buffer);
        return {
          set: (one) => void (words[one.index] = 1),
          take(one) {
            const was = words[one.index];
            words[one.index] = 0;
            return was;
          },
        };
      }),
      field: side(() => ({
        set: (one) => void (one.isReady = true),
        take(one) {
          const was = one.isReady;
          one.isReady = false;
          return was ? 1 : 0;
        },
      })),
    },
  },
];
