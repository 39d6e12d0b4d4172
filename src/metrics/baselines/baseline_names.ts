/** Names of the baselines, without their code, so that scripts of web pages can import this file. */

/** Titles of the baselines in display order. The keys are the names in result.json. */
export const baselineTitles = {
  random: "random",
  clickRate: "click rate",
  lastClick: "last click",
  categoryRate: "category rate",
  itemKnn: "item-kNN",
  logit: "logit on counts",
} as const;

export type BaselineName = keyof typeof baselineTitles;
export const baselineNames = Object.keys(baselineTitles) as readonly BaselineName[];

/** Values of the option --baseline, such as "click-rate". */
export const baselineOptions = Object.fromEntries(
  baselineNames.map((name) => [name, name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)]),
) as Readonly<Record<BaselineName, string>>;
