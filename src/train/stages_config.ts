/** What is trained, and through which stages: the part of a run's config that its trainers need. */

import * as v from "../schema.ts";
import { type ModelConfig, modelConfigSchema } from "../model/config.ts";
import {
  type AdversarialConfig,
  adversarialConfigSchema,
  type TrainingConfig,
  trainingConfigSchema,
} from "./config.ts";

export interface StagesConfig {
  readonly model: ModelConfig;
  /** Of the Shannon stage; its seed is that of both. */
  readonly training: TrainingConfig;
  /** Whether there is a Shannon stage. */
  readonly pretrain: boolean;
  /** The adversarial stage after it, or alone; null for none. */
  readonly adversarial: AdversarialConfig | null;
}

/** What a {@link StagesConfig} must be. */
export const stagesConfigSchema = v.strictObject({
  model: modelConfigSchema,
  training: trainingConfigSchema,
  pretrain: v.boolean(),
  adversarial: v.nullable(adversarialConfigSchema),
});
