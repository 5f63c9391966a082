// Numbers of the hot path. Numbers only, and no import: so the bundler puts them in place, and a poll does
// not load them from the module.

/** Result of `unit.run()`: the unit stays, waiting for a wake. */
export const UNIT_PENDING = 0;
/** The unit stays, and goes behind everything else that is ready (batch word bit 30). */
export const UNIT_YIELD = 1 << 30;
/** The unit is finished and its slot free (batch word bit 31). */
export const UNIT_DONE = 1 << 31;

/** Budget of a poll that nothing limits. */
export const UNLIMITED = 1 << 30;
/** Units of budget for each poll of a task. The number is Tokio's. */
export const COOP_BUDGET = 128;
