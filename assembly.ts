// Where asc finds `import ... from "tokiwa/assembly"`: it looks for this path in the package, and knows no exports.
export * from "./dist/assemblyscript/index";
