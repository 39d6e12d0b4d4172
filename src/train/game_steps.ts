/** An iteration of the game: the generator steps against the reward as it stands, then the reward against the generator. */

import type { GamePrograms, PlayerParts } from "../model/game_programs.ts";
import { adamRate } from "../ops/adam.ts";
import type { ClickPrograms, Move, Phase } from "./click_steps.ts";
import { type AdversarialConfig, learningRateAt } from "./config.ts";

/** Steps of the generator in an iteration: none of the exact one. */
function generatorStepsOf({ generator, generatorSteps }: AdversarialConfig): number {
  return generator === "exact" ? 0 : generatorSteps;
}

/** A header for each step of the generator, then for each of the reward (which also stands for the batch). */
export function gameHeaders(config: AdversarialConfig): number {
  return generatorStepsOf(config) + Math.max(1, config.rewardSteps);
}

/** How the players' programs make an iteration, as often as the config says. */
export function gameSteps(config: AdversarialConfig, programs: GamePrograms): ClickPrograms {
  const { rewardSteps } = config;
  const generatorSteps = generatorStepsOf(config);
  const { batch, utilities, generatorStep, rewardStep, rewardStepAgain } = programs;
  return {
    layout: programs.layout,
    moves: (t) => gameMoves(config, t),
    encode(commands, sizes, offset, slice) {
      batch.encode(commands, sizes, offset(0), slice);
      utilities.encode(commands, sizes, offset(0), slice);
      for (let k = 0; k < generatorSteps; k++) generatorStep.encode(commands, sizes, offset(k), slice);
      rewardStep.encode(commands, sizes, offset(generatorSteps), slice);
      for (let k = 1; k < rewardSteps; k++) {
        utilities.encode(commands, sizes, offset(generatorSteps), slice);
        rewardStepAgain.encode(commands, sizes, offset(generatorSteps + k), slice);
      }
    },
    phases: gamePhases(config, programs),
  };
}

/** A phase for each step of a player, with a header each. */
function gamePhases(config: AdversarialConfig, programs: GamePrograms): Phase[] {
  const { parts, batch, utilities } = programs;
  if (!parts) return [];
  const generatorSteps = generatorStepsOf(config);
  const phase = (player: PlayerParts, header: number): Phase => ({
    ...player,
    header,
    gradients: [batch, utilities, player.gradients],
  });
  return [
    ...Array.from({ length: generatorSteps }, (_, k) => phase(parts.generator, k)),
    ...Array.from(
      { length: Math.max(1, config.rewardSteps) },
      (_, k) => phase(parts.reward, generatorSteps + k),
    ),
  ];
}

/** One for each header. The reward waits while the generator warms up. */
function gameMoves(config: AdversarialConfig, t: number): Move[] {
  const { rewardSteps, generatorWarmup, generatorLearningRate, rewardLearningRate, weightDecay } = config;
  const generatorSteps = generatorStepsOf(config);
  const move = (rate: number, steps: number, k: number, decay: number): Move => ({
    learningRate: steps > 0 ? adamRate(rate, (t - 1) * steps + k + 1) : 0,
    decay: rate * decay,
  });
  const generatorRate = learningRateAt(generatorLearningRate, t);
  const waits = generatorSteps > 0 && t <= generatorWarmup;
  const rewardRate = waits ? 0 : learningRateAt(rewardLearningRate, t);
  return [
    ...Array.from({ length: generatorSteps }, (_, k) => move(generatorRate, generatorSteps, k, 0)),
    ...Array.from(
      { length: Math.max(1, rewardSteps) },
      (_, k) => move(rewardRate, rewardSteps, k, weightDecay),
    ),
  ];
}
