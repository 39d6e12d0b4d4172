/** Position weights over dense features, through {@link checkOp}. */

import { pwState } from "../src/ops/pw_state.ts";
import { U } from "./op_batches.ts";
import { checkOp } from "./op_check.ts";
import { type Batch, batches, chunks, long, wide } from "./pw_batches.ts";

interface StateSizes {
  readonly F: number;
  readonly m: number;
  readonly n: number;
}
function stateCase(b: Batch, { F, m, n }: StateSizes, tanh: boolean): Promise<void> {
  return checkOp({
    ...b,
    leaves: [{ name: "x", rows: b.log.items.count, columns: F, trainable: false }],
    parameters: [
      { name: "w", rows: m, columns: n },
      ...(tanh ? [{ name: "b", rows: 1, columns: F * n }] : []),
    ],
    build: (tape, t) =>
      pwState(tape, "s", { features: t("x"), weights: t("w"), bias: tanh ? t("b") : undefined }),
    scale: 0.7,
    tolerance: 4 * U * 400,
  });
}

for (const tanh of [false, true]) {
  const sigma = tanh ? "tanh" : "none";
  for (const [name, b] of Object.entries(batches)) {
    Deno.test(`pw_state: ${sigma}, ${name}`, () => stateCase(b, { F: 5, m: 20, n: 4 }, tanh));
  }
  for (const [m, n] of [[1, 1], [1, 3], [2, 1], [2, 4], [20, 1], [20, 3], [64, 16]] as const) {
    Deno.test(`pw_state: ${sigma}, ${m} lags, ${n} weightings`, () => stateCase(long, { F: 3, m, n }, tanh));
  }
  for (const n of [5, 8]) {
    Deno.test(`pw_state: ${sigma}, ${n} weightings`, () => stateCase(wide, { F: 6, m: 3, n }, tanh));
  }
  for (const width of [1, 16, 17, 64]) {
    Deno.test(`pw_state: ${sigma}, ${width} features`, () => stateCase(wide, { F: width, m: 7, n: 3 }, tanh));
  }
  Deno.test(`pw_state: ${sigma}, several chunks`, () => stateCase(chunks, { F: 4, m: 6, n: 4 }, tanh));
}
