// What guest-imports-clang.wasm imports beside tokiwa, in each of its instances. Also for Node's tests.
export default async function imports() {
  return { page: { twice: (n) => n * 2 } };
}
