/** Position weights over dense features, through {@link checkOp}. */

import { pwState } from "../../src/ops/pw_state.ts";
import { U } from "../../src/selftest/ops/op_batches.ts";
import { checkOp } from "../op_check.ts";
import { type Batch, batches, chunks, long, wide } from "../../src/selftest/ops/pw_batches.ts";

interface StateSizes {
  readonly F: number;
  readonly m: number;
  readonly n: number;
}
/** Of all that are about something else. */
const usual: StateSizes = { F: 5, m: 20, n: 4 };
function stateCase(b: Batch, sizes: StateSizes, tanh: boolean): Promise<void> {
  const { F, m, n } = sizes;
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
    once: sizes !== usual,
  });
}

for (const tanh of [false, true]) {
  const sigma = tanh ? "tanh" : "none";
  for (const [name, b] of Object.entries(batches)) {
    Deno.test(`pw_state: ${sigma}, ${name}`, () => stateCase(b, usual, tanh));
  }
  for (const [m, n] of tanh ? [[2, 4], [64, 16]] as const : [[1, 1], [2, 4], [20, 3], [64, 16]] as const) {
    Deno.test(`pw_state: ${sigma}, ${m} lags, ${n} weightings`, () => stateCase(long, { F: 3, m, n }, tanh));
  }
  for (const n of tanh ? [5] : [5, 8]) {
    Deno.test(`pw_state: ${sigma}, ${n} weightings`, () => stateCase(wide, { F: 6, m: 3, n }, tanh));
  }
  for (const F of tanh ? [17] : [1, 16, 17, 64]) {
    Deno.test(`pw_state: ${sigma}, ${F} features`, () => stateCase(wide, { ...usual, F }, tanh));
  }
  Deno.test(`pw_state: ${sigma}, several chunks`, () => stateCase(chunks, usual, tanh));
}
