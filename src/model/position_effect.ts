/**
 * Effect of an item's position on its click probability, whatever the item. It is part of the likelihood of a logged page, in
 * training and in every reported loss, and of the probabilities of a page. Utilities and rankings do not include it: they are
 * those of items in the first position, whose effect is 0.
 */

import type { ClickTape } from "../batch/click_tape.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelConfig } from "./model_config.ts";
import { drawZeros, type ModelParameter } from "./initial_weights.ts";

export const POSITION_BIAS = "position/effect";

/** Lists [1, P - 1]: effects of the second position, the third, ...; positions after P share the last one. */
export function listPositionParameters({ positions }: ModelConfig): ModelParameter[] {
  return positions > 0 ? [{ name: POSITION_BIAS, rows: 1, columns: positions - 1, initial: drawZeros }] : [];
}

export function recordPositionEffect(tape: ClickTape, { positions }: ModelConfig): Tensor | undefined {
  return positions > 0 ? tape.parameter(POSITION_BIAS) : undefined;
}

/** Returns the learned effects of the first position, the second, ...; undefined for a model without. */
export function readPositionEffects(weights: Weights): number[] | undefined {
  const effects = weights.get(POSITION_BIAS);
  return effects && [0, ...effects];
}

/**
 * Adds position effects to the utilities of a page; probabilities are computed from the sums.
 * @param effects of {@link readPositionEffects}; undefined adds nothing
 * @param positions of the items on the page, from 0; by default the order of the utilities
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

/** Returns the weights with position effects of 0, as if each item were in the first position. */
export function removePositionEffect(weights: Weights): Weights {
  const effects = weights.get(POSITION_BIAS);
  return effects ? new Map([...weights, [POSITION_BIAS, new Float32Array(effects.length)]]) : weights;
}
