// Specs of the core (test/assembly/*.spec.ts), compiled with shared memory as the shared core is.
// Regions for a spec come from memory.grow: low addresses belong to as-pect's own runtime.
export default {
  entries: ["test/assembly/**/*.spec.ts"],
  include: ["test/assembly/**/*.include.ts"],
  disclude: [/node_modules/],
  async instantiate(_memory, createImports, instantiate, binary) {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
