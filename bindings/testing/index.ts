// tokiwa/testing: a clock held by hand, and futures polled by hand.

export { advance, pause, resume } from "./clock.ts";
export { task, type TestTask } from "./test-task.ts";
