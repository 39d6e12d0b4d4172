/** The settings of the adversarial stage that are compared. */

import { type AdversarialConfig, defaultAdversarial, paperAdversarial } from "../../src/train/config.ts";

/** Both players step in turn at the same rate, as the paper says, and nothing else. */
const plain: Partial<AdversarialConfig> = {
  generatorSteps: 1,
  generatorWarmup: 0,
  generatorLearningRate: 5e-4,
  rewardLearningRate: 5e-4,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0,
};
const { generatorEta, etaByPage, utilityPenalty } = paperAdversarial;
/** What `reproduce` plays. */
const paper = { generatorEta, etaByPage, utilityPenalty };
const fastGenerator = { generatorLearningRate: defaultAdversarial.generatorLearningRate };
const slowReward = { rewardLearningRate: defaultAdversarial.rewardLearningRate, ...fastGenerator };

export const settings: readonly (readonly [string, Partial<AdversarialConfig>])[] = [
  ["plain alternation", plain],
  ["plain, no-click events counted", { ...plain, skipNoClick: false }],
  ["plain, 5 generator steps", { ...plain, generatorSteps: 5 }],
  ["plain, weight decay 10", { ...plain, weightDecay: 10 }],
  ["plain, penalty 0.4", { ...plain, utilityPenalty }],
  ["plain, warm-up", { ...plain, generatorWarmup: 500 }],
  ["plain, rates 1e-3 and 2e-5", { ...plain, ...slowReward }],
  ["plain, reward frozen", { ...plain, rewardSteps: 0 }],
  ["eta 1, penalty 0.4", paper],
  ["eta 1 without penalty", { ...paper, utilityPenalty: 0 }],
  ["eta 1 without warm-up", { ...paper, generatorWarmup: 0 }],
  ["eta 1, rates 5e-4 and 5e-4", { ...paper, generatorLearningRate: 5e-4, rewardLearningRate: 5e-4 }],
  ["defaults", {}],
  ["defaults without penalty", { utilityPenalty: 0 }],
  ["defaults, penalty 0.4", { utilityPenalty }],
  ["defaults, eta 0.2 on all pages", { generatorEta: 0.2, etaByPage: false }],
  ["exact generator, plain", { ...plain, generator: "exact" }],
  ["exact generator, eta 1", { ...paper, generator: "exact" }],
  ["exact generator, defaults", { generator: "exact" }],
];
