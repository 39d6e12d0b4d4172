/** What has to be said beside the figures of some models. */

import type { ModelConfig } from "../../model/config.ts";
import { positionEffects } from "../../model/position_effect.ts";
import type { Weights } from "../../tape/parameters.ts";

/** Sentences below a table of figures; none for most models. @param weights of a snapshot, if they are at hand. */
export function modelNotes({ loss, positions }: ModelConfig, weights?: Weights): string[] {
  const notes: string[] = [];
  if (loss === "logistic") {
    notes.push(
      "By the logistic loss each item is clicked or not by itself. So its probabilities leave room for several clicks on " +
        "a page, which costs loss where pages have one; the ranking is not touched by that.",
    );
  }
  if (positions > 0) {
    notes.push(
      "What is said of logged pages counts what places add; utilities, and what is recommended by them, are without it.",
    );
    const effects = weights && positionEffects(weights);
    notes.push(
      effects
        ? `What places add to the utility, from the first on: ${effects.map(digits).join(" ")}`
        : "deno task evaluate prints what they add.",
    );
  }
  return notes;
}

function digits(effect: number): string {
  return effect.toFixed(2).replace(/^-0\.00$/, "0.00");
}
