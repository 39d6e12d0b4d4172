import type { ClickLog } from "../src/data/click_log.ts";

/** Returns a log whose item features are one dense matrix: a column per token, then the dense features. */
export function toDenseLog(log: ClickLog): ClickLog {
  const { items } = log;
  if (items.kind !== "mixed") throw new Error(`Expected mixed features, got ${items.kind}`);
  const { count, width: F, values, tokens } = items;
  const width = tokens.count + F;
  const wide = new Float32Array(count * width);
  for (let item = 0; item < count; item++) {
    for (const id of tokens.token.subarray(tokens.first[item], tokens.first[item + 1])) {
      wide[item * width + id] = 1;
    }
    wide.set(values.subarray(item * F, (item + 1) * F), item * width + tokens.count);
  }
  return { ...log, items: { kind: "dense", count, width, values: wide } };
}
