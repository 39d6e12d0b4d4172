/** The JSON files of a run, as far as a report needs them: what else is in them does no harm. */

import { z } from "zod";

/** JSON has no NaN: null stands for it. */
const figure = z.number().nullable();

const figuresSchema = z.object({ nll: figure, prec1: figure, prec2: figure });

export const resultSchema = z.looseObject({
  iteration: z.int(),
  test: z.array(z.looseObject({
    snapshot: z.string(),
    iteration: z.int(),
    ...figuresSchema.shape,
    longerPages: figuresSchema.partial().default({}),
    piPrec1: figure.optional(),
    piPrec2: figure.optional(),
  })).optional(),
  baselines: z.looseObject({
    random: figuresSchema.nullish(),
    clickRate: figuresSchema.partial({ nll: true }).nullish(),
    attainable: figuresSchema.nullish(),
  }).optional(),
});
export type Result = z.infer<typeof resultSchema>;

export const configSchema = z.looseObject({
  training: z.looseObject({ seed: z.int(), iterations: z.int() }),
  adversarial: z.looseObject({ iterations: z.int().optional() }).nullish(),
});
export type Config = z.infer<typeof configSchema>;

export const seedsSchema = z.looseObject({ seeds: z.array(z.int()).min(1), config: configSchema });

export const experimentSchema = z.looseObject({
  data: z.string().optional(),
  models: z.array(z.looseObject({ name: z.string(), folder: z.string() })).min(1),
});

export const experimentResultSchema = z.looseObject({
  claims: z.array(z.looseObject({ claim: z.string(), holds: z.string(), text: z.string().default("") }))
    .default([]),
});
