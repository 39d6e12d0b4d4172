/**
 * What a place on the page adds to a click's chance, whatever stands there. It takes part in the likelihood of a logged page,
 * in training and in every loss that is reported, and in the probabilities of a page. Utilities, and what ranks by them, are
 * without: as if each item stood in the first place, whose effect is 0.
 */

import type { ClickTape } from "../batch/click_tape.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelConfig } from "./model_config.ts";
import { drawZeros, type ModelParameter } from "./initial_weights.ts";

/** The name of its parameter. */
export const POSITION_BIAS = "position/effect";

/** [1, P - 1]: of the second place, the third, ...; those behind the last of P share its effect. */
export function listPositionParameters({ positions }: ModelConfig): ModelParameter[] {
  return positions > 0 ? [{ name: POSITION_BIAS, rows: 1, columns: positions - 1, initial: drawZeros }] : [];
}

export function recordPositionEffect(tape: ClickTape, { positions }: ModelConfig): Tensor | undefined {
  return positions > 0 ? tape.parameter(POSITION_BIAS) : undefined;
}

/** The effects that a model has learned, of the first place, the second, ...; undefined for a model without. */
export function readPositionEffects(weights: Weights): number[] | undefined {
  const effects = weights.get(POSITION_BIAS);
  return effects && [0, ...effects];
}

/**
 * Adds to the utilities of a page what the position of each item adds: probabilities follow from the sums.
 * @param effects those of {@link readPositionEffects}; undefined adds nothing
 * @param positions of the items on the page, from 0; by default they are in the order of the page
 */
export function addPositionEffects(
  utilities: ArrayLike<number>,
  effects: readonly number[] | undefined,
  positions?: ArrayLike<number>,
): ArrayLike<number> {
  if (!effects) return utilities;
  return Float64Array.from(
    utilities,
    (u, k) => u + (effects[Math.min(positions?.[k] ?? k, effects.length - 1)] ?? 0),
  );
}

/** The same weights with a position effect of 0: as if each item stood in the first position. */
export function withoutPositionEffect(weights: Weights): Weights {
  const effects = weights.get(POSITION_BIAS);
  return effects ? new Map([...weights, [POSITION_BIAS, new Float32Array(effects.length)]]) : weights;
}
