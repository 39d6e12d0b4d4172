/** Ops of the encoders as cases: what each takes, how it is recorded, how far rounding may lead. */

import { lstm } from "../../ops/lstm.ts";
import { pwState } from "../../ops/pw_state.ts";
import { pwTable } from "../../ops/pw_table.ts";
import type { Make } from "./layer_recipes.ts";
import { type Batch, U, widthOf } from "./op_batches.ts";
import type { OpCase } from "./op_case.ts";

export function lstmOf(H: number): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "f", rows: b.log.items.count, columns: widthOf(b), trainable: false }],
    parameters: [
      { name: "x", rows: widthOf(b), columns: 4 * H, groups: 4 },
      { name: "w", rows: H, columns: 4 * H, groups: 4 },
      { name: "b", rows: 1, columns: 4 * H, groups: 4 },
    ],
    build: (tape, t) =>
      lstm(tape, "s", { features: t("f"), inputWeights: t("x"), weights: t("w"), bias: t("b") }),
    scale: 0.5,
    tolerance: 4 * U * 300,
  });
}

export function lstmOfTable(H: number, touchedOnly: boolean): Make {
  return (b) => ({
    ...b,
    leaves: [],
    parameters: [
      { name: "x", rows: b.log.items.count, columns: 4 * H, groups: 4, table: true },
      { name: "w", rows: H, columns: 4 * H, groups: 4 },
      { name: "b", rows: 1, columns: 4 * H, groups: 4 },
    ],
    build: (tape, t) => lstm(tape, "s", { inputWeights: t("x"), weights: t("w"), bias: t("b") }),
    scale: 0.5,
    touchedOnly,
    tolerance: 4 * U * 300,
  });
}

/** Lags and weightings of position weights. */
const [LAGS, WEIGHTINGS] = [20, 4];

export function pwStateOf(tanh: boolean): Make {
  return (b) => ({
    ...b,
    leaves: [{ name: "x", rows: b.log.items.count, columns: 5, trainable: false }],
    parameters: [
      { name: "w", rows: LAGS, columns: WEIGHTINGS },
      ...(tanh ? [{ name: "b", rows: 1, columns: 5 * WEIGHTINGS }] : []),
    ],
    build: (tape, t) =>
      pwState(tape, "s", { features: t("x"), weights: t("w"), bias: tanh ? t("b") : undefined }),
    scale: 0.7,
    tolerance: 4 * U * 400,
  });
}

export function pwTableOf(tanh: boolean, touchedOnly = false): Make {
  return (b) => {
    const I = b.log.items.count;
    const [N, n] = [5, WEIGHTINGS];
    return {
      ...b,
      leaves: [],
      parameters: [
        { name: "table", rows: I, columns: n * N, groups: n, table: true },
        { name: "w", rows: LAGS, columns: n },
        { name: "b", rows: 1, columns: N },
        ...(tanh ? [{ name: "c", rows: I, columns: n, table: true }] : []),
      ],
      build: (tape, t) => {
        const itemBias = tanh ? t("c") : undefined;
        return pwTable(tape, "z", { table: t("table"), weights: t("w"), layerBias: t("b"), itemBias });
      },
      touchedOnly,
      scale: 0.7,
      tolerance: 4 * U * 400,
    };
  };
}

export function pwTableByEvent(b: Batch): OpCase {
  const [N, n] = [5, WEIGHTINGS];
  return {
    ...b,
    leaves: [{ name: "clicks", rows: "events", columns: n * N, groups: n }],
    parameters: [{ name: "w", rows: LAGS, columns: n }, { name: "b", rows: 1, columns: N }],
    build: (tape, t) => pwTable(tape, "z", { table: t("clicks"), weights: t("w"), layerBias: t("b") }),
    scale: 0.7,
    tolerance: 4 * U * 400,
  };
}
