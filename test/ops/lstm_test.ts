/**
 * Checks the LSTM with 1, 5 and 20 (default) units, which are 1, 2 and 5 vectors of four, and with one unit
 * more than panel kernels support. The file ladder_test.ts tests other sizes.
 */

import type { KernelVariants, LstmVariant } from "../../src/gpu/kernel_variants.ts";
import { formatLstmKey, getDefaultVariants, listLstmVariants } from "../../src/gpu/kernel_variants.ts";
import { padColumns } from "../../src/tape/tensor.ts";
import { lstm } from "../../src/ops/lstm.ts";
import {
  createBatch,
  few,
  getDenseWidth,
  getTokenCount,
  given,
  many,
  mixed,
  noClicks,
  one,
  oneHot,
  rareItems,
  U,
} from "../../src/selftest/ops/op_batches.ts";
import { makeLstm } from "../../src/selftest/ops/encoder_recipes.ts";
import { checkOp } from "../op_check.ts";

/** Numbers of units: weights of KEPT exceed a GPU's registers, those of NOT_KEPT its workgroup memory. */
const KEPT = 33;
const NOT_KEPT = 45;

/**
 * Returns the variants to test. CPU kernels have different code for each number of vectors. GPU kernels
 * differ only in a constant, so a few sizes suffice. Variants for autotuning are tested with one size.
 */
function variantsFor(units: number, batch: unknown): KernelVariants[] {
  const fixed = [getDefaultVariants("cpu"), getDefaultVariants("gpu")];
  if (units === NOT_KEPT) return fixed.slice(1);
  if (units === KEPT) return fixed;
  if (units > 8) return fixed.slice(0, 1);
  if (units !== 5 || (batch !== few && batch !== many)) return fixed;
  const h4 = padColumns(units) / 4;
  const [, ...others] = listLstmVariants(h4);
  return [...fixed, ...others.map((variant) => onGpu(h4, variant))];
}

function onGpu(h4: number, variant: LstmVariant): KernelVariants {
  const lstm = { [formatLstmKey("forward", h4)]: variant, [formatLstmKey("backward", h4)]: variant };
  return { kind: "gpu", matmul: {}, lstm };
}

/** Numbers of units for which the op is used twice: 5 has panel kernels, and KEPT exceeds their limit. */
const addedUp: readonly number[] = [5, KEPT];
/** Batch in which all four users of a kernel invocation have several events. */
const longer = createBatch(8, { users: 9, items: 7, width: 5, maxEvents: 9, noClick: 0.1 });
for (const [name, b] of Object.entries({ one, few, many, given, noClicks, longer })) {
  for (const H of b === longer ? [KEPT, NOT_KEPT] : b === few ? [1, 5, 20] : [5]) {
    Deno.test(`lstm: ${H} units, ${name}`, () =>
      checkOp({
        ...makeLstm(H)(b),
        once: !addedUp.includes(H) || !(b === few || b === longer),
      }, variantsFor(H, b)));
  }
}
for (const [name, b] of Object.entries(mixed)) {
  const H = 5;
  Deno.test(`lstm: mixed features, ${name}`, () => {
    const F = getDenseWidth(b);
    return checkOp({
      ...b,
      once: name !== "few",
      leaves: F > 0 ? [{ name: "f", rows: b.log.items.count, columns: F, trainable: false }] : [],
      parameters: [
        ...(F > 0 ? [{ name: "x", rows: F, columns: 4 * H, groups: 4 }] : []),
        { name: "t", rows: getTokenCount(b), columns: 4 * H, groups: 4, table: true },
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
for (
  const [name, b, sparse] of [
    ["", oneHot, false],
    [", items that are not shown", rareItems, false],
    [", sparse rows", rareItems, true],
  ] as const
) {
  Deno.test(`lstm: one-hot table${name}`, () => checkOp(makeLstm(6, { sparse })(b)));
}
