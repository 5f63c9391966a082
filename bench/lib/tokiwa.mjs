// The package as it is published: the built entry points. Benchmarks import them from here.
export * from "../../dist/index.js";
