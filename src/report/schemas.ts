/** The JSON files of a run, as far as a report needs them: what else is in them does no harm. */

import * as z from "zod";
import { MOST_GROUPS } from "../figures/bootstrap.ts";

/** JSON has no NaN: null stands for it. */
const figure = z.number().nullable();

const figuresSchema = z.object({ nll: figure, prec1: figure, prec2: figure });

/** Where 95 % of the resamples of users are. */
const interval = z.tuple([z.number(), z.number()]).nullable();

const named = <T extends z.ZodType>(schema: T) => z.record(z.string(), schema);

const calibrationSchema = z.looseObject({
  ece: z.number(),
  eceByChance: z.number().nullable(),
  bins: z.array(z.looseObject({ cases: z.number(), predicted: z.number(), observed: z.number(), interval })),
});

const measuredSchema = z.looseObject({ figures: named(figure), intervals: named(interval) });

/** All figures of a scoring of the test users: `Details` of figures/tested.ts. */
const detailsSchema = measuredSchema.extend({
  calibration: z.looseObject({ click: calibrationSchema.optional(), noClick: calibrationSchema.optional() })
    .optional(),
  slices: named(z.array(measuredSchema.extend({
    name: z.string(),
    events: z.number(),
    ece: z.number().optional(),
  }))).default({}),
});

/** `Paired` of figures/paired.ts. */
const pairedSchema = z.looseObject({
  users: z.string(),
  groups: z.int().min(1).max(MOST_GROUPS),
  sums: z.string(),
});

const differencesSchema = named(z.looseObject({ value: z.number(), interval }));

const baselineSchema = figuresSchema.partial({ nll: true }).extend({
  longerPages: figuresSchema.partial().default({}),
  setting: z.string().optional(),
  details: detailsSchema.optional(),
});

/** What earlier versions did not write has a default, or may be left out. */
export const resultSchema = z.looseObject({
  iteration: z.int(),
  /** When it was written, ISO 8601; older runs do not say it. */
  finished: z.iso.datetime().optional(),
  sessionSeconds: z.number().nonnegative().optional(),
  resumed: z.boolean().optional(),
  test: z.array(z.looseObject({
    snapshot: z.string(),
    iteration: z.int(),
    ...figuresSchema.shape,
    longerPages: figuresSchema.partial().default({}),
    piPrec1: figure.optional(),
    piPrec2: figure.optional(),
    details: detailsSchema.optional(),
    /** By the name of the baseline. */
    against: named(differencesSchema).default({}),
    events: z.int().optional(),
    paired: pairedSchema.optional(),
  })).optional(),
  baselines: named(baselineSchema.nullable()).optional(),
  snapshots: z.array(
    z.looseObject({ snapshot: z.string(), minus: z.string(), differences: differencesSchema }),
  )
    .default([]),
  verdict: z.array(z.string()).default([]),
});
export type Result = z.infer<typeof resultSchema>;
export type DetailFigures = z.infer<typeof detailsSchema>;
export type FigureDifferences = z.infer<typeof differencesSchema>;

export const configSchema = z.looseObject({
  data: z.looseObject({
    kind: z.string(),
    path: z.string().optional(),
    seed: z.int().optional(),
    shop: z.string().optional(),
    usersSeed: z.int().optional(),
    resplit: z.int().nullish(),
  }).optional(),
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
