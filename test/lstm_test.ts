/**
 * The LSTM through {@link checkOp}: sizes 1, 3, 5, 17, and one more than a panel kernel has units for. All that it has units
 * for are in panel_rungs_test.ts.
 */

import { fixedShapes } from "../src/gpu/kernel_shapes.ts";
import { lstm } from "../src/ops/lstm.ts";
import {
  batchOf,
  few,
  given,
  many,
  mixed,
  noClicks,
  one,
  oneHot,
  rareItems,
  tokensOf,
  U,
  widthOf,
} from "./op_batches.ts";
import { checkOp } from "./op_check.ts";

/**
 * The kernels for a GPU walk a loop over the units, the same at any number, and take a software driver 10 s to compile at 20:
 * model_test.ts has them at that size. On a CPU adapter each number of vectors has a text of its own.
 */
const onGpu = (units: number) => units <= 8;
/** Units of those that are recorded twice: with a panel kernel, and beyond what it has units for. */
const addedUp: readonly number[] = [5, 33];
/** All of four neighbours have several events: the users of one invocation. */
const longer = batchOf(8, { users: 9, items: 7, width: 5, maxEvents: 9, noClick: 0.1 });
for (const [name, b] of Object.entries({ one, few, many, given, noClicks, longer })) {
  const sizes = b === longer ? [33] : b === few ? [1, 3, 5, 20] : b === many ? [3, 5, 17] : [1, 5];
  for (const H of sizes) {
    Deno.test(`lstm: ${H} units, ${name}`, () =>
      checkOp({
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
        once: !addedUp.includes(H) || !(b === few || b === longer),
      }, onGpu(H) ? undefined : [fixedShapes("cpu")]));
  }
}
for (const [name, b] of Object.entries(mixed)) {
  for (const H of name === "many" ? [1, 5] : [5]) {
    Deno.test(`lstm: mixed features, ${H} units, ${name}`, () => {
      const F = widthOf(b);
      return checkOp({
        ...b,
        leaves: F > 0 ? [{ name: "f", rows: b.log.items.count, columns: F, trainable: false }] : [],
        parameters: [
          ...(F > 0 ? [{ name: "x", rows: F, columns: 4 * H, groups: 4 }] : []),
          { name: "t", rows: tokensOf(b), columns: 4 * H, groups: 4, table: true },
          { name: "w", rows: H, columns: 4 * H, groups: 4 },
          { name: "b", rows: 1, columns: 4 * H, groups: 4 },
        ],
        build: (tape, t) =>
          lstm(tape, "s", {
            ...(F > 0 ? { features: t("f"), inputWeights: t("x") } : {}),
            tokenTable: t("t"),
            weights: t("w"),
            bias: t("b"),
          }),
        scale: 0.5,
        tolerance: 4 * U * 300,
      });
    });
  }
}
for (
  const [name, b, rows, touchedOnly] of [
    ["", oneHot, 70, false],
    [", items that are not shown", rareItems, 300, false],
    [", touched rows", rareItems, 300, true],
  ] as const
) {
  Deno.test(`lstm: one-hot table${name}`, () =>
    checkOp({
      ...b,
      leaves: [],
      parameters: [
        { name: "x", rows, columns: 24, groups: 4, table: true },
        { name: "w", rows: 6, columns: 24, groups: 4 },
        { name: "b", rows: 1, columns: 24, groups: 4 },
      ],
      build: (tape, t) => lstm(tape, "s", { inputWeights: t("x"), weights: t("w"), bias: t("b") }),
      scale: 0.5,
      touchedOnly,
      tolerance: 4 * U * 300,
    }));
}
