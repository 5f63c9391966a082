// Medians and quartiles: a benchmark's noise has a long tail on one side only.

export function quantile(sorted, q) {
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/** @returns { median, low, high, min, n }: low and high are the quartiles */
export function summary(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75), min: sorted[0], n: sorted.length };
}

/** Ratios of turns that were taken one after the other: what slows the machine for a while slows both. */
export function ratios(values, baseValues) {
  return summary(values.map((value, turn) => value / baseValues[turn]));
}
