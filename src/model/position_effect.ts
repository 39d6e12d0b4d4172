/**
 * Position effects: an item's position on the page changes its click probability, equally for all items.
 * Click probabilities, and the likelihood of a logged page (in training and in every reported loss), include
 * position effects. Utilities and rankings are for items in the first position, whose effect is 0.
 */

import type { ClickTape } from "../batch/click_tape.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelConfig } from "./model_config.ts";
import { drawZeros, type ModelParameter } from "./initial_weights.ts";

export const POSITION_BIAS = "position/effect";

/** Returns the parameter of the effects of positions 2 to P. Later positions have position P's effect. */
export function listPositionParameters({ positions }: ModelConfig): ModelParameter[] {
  return positions > 0 ? [{ name: POSITION_BIAS, rows: 1, columns: positions - 1, initial: drawZeros }] : [];
}

export function recordPositionEffect(tape: ClickTape, { positions }: ModelConfig): Tensor | undefined {
  return positions > 0 ? tape.parameter(POSITION_BIAS) : undefined;
}

/**
 * Returns the learned effects of positions 1, 2, ...; undefined without position effects. The list ends at
 * the last position of the longest training page; its last effect also applies to later positions.
 */
export function readPositionEffects(weights: Weights): number[] | undefined {
  const effects = weights.get(POSITION_BIAS);
  return effects && [0, ...effects.subarray(0, effects.findLastIndex((effect) => effect !== 0) + 1)];
}

/** Gives positions beyond the longest training page the last learned effect. */
export function fillPositionEffects(weights: Weights): Weights {
  const [effects, learned] = [weights.get(POSITION_BIAS), readPositionEffects(weights)];
  if (!effects || !learned || learned.length > effects.length) return weights;
  return new Map([...weights, [POSITION_BIAS, effects.slice().fill(learned.at(-1)!, learned.length - 1)]]);
}

/**
 * Adds position effects to the utilities of a page, before click probabilities are computed.
 * @param effects - result of {@link readPositionEffects}; if undefined, nothing is added
 * @param positions - page positions of the utilities' items, counted from 0; by default 0, 1, 2, ...
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
