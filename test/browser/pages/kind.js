// What kind of page this is, so that a test knows that the server's headers had their effect.
export default async function kind() {
  let evaluates = true;
  try {
    new Function("return 1")();
  } catch {
    evaluates = false;
  }
  let compiles = true;
  try {
    new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  } catch {
    compiles = false;
  }
  return { isolated: globalThis.crossOriginIsolated, evaluates, compiles };
}
