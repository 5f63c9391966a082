import { expose } from "/dist/threads.js";

expose({ triple: (n) => n * 3 });
