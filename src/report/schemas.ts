/** The JSON files of a run, as far as a report needs them: what else is in them does no harm. */

import * as v from "../schema.ts";
import { MOST_GROUPS } from "../figures/bootstrap.ts";

/** JSON has no NaN: null stands for it. */
const figure = v.nullable(v.finiteNumber());

const figuresSchema = v.object({ nll: figure, prec1: figure, prec2: figure });

/** Where 95 % of the resamples of users are. */
const interval = v.nullable(v.tuple([v.finiteNumber(), v.finiteNumber()]));

const named = <T extends v.GenericSchema>(schema: T) => v.record(v.string(), schema);

const calibrationSchema = v.looseObject({
  ece: v.finiteNumber(),
  eceByChance: v.nullable(v.finiteNumber()),
  bins: v.array(
    v.looseObject({
      cases: v.finiteNumber(),
      predicted: v.finiteNumber(),
      observed: v.finiteNumber(),
      interval,
    }),
  ),
});

const measuredSchema = v.looseObject({ figures: named(figure), intervals: named(interval) });

/** All figures of a scoring of the test users: `Details` of figures/tested.ts. */
const detailsSchema = v.looseObject({
  ...measuredSchema.entries,
  calibration: v.optional(
    v.looseObject({ click: v.optional(calibrationSchema), noClick: v.optional(calibrationSchema) }),
  ),
  slices: v.optional(
    named(v.array(v.looseObject({
      ...measuredSchema.entries,
      name: v.string(),
      events: v.finiteNumber(),
      ece: v.optional(v.finiteNumber()),
    }))),
    {},
  ),
});

/** `Paired` of figures/paired.ts. */
const pairedSchema = v.looseObject({
  users: v.string(),
  groups: v.whole(1, MOST_GROUPS),
  sums: v.string(),
});

const differencesSchema = named(v.looseObject({ value: v.finiteNumber(), interval }));

const baselineSchema = v.object({
  ...v.partial(figuresSchema, ["nll"]).entries,
  longerPages: v.optional(v.partial(figuresSchema), {}),
  setting: v.optional(v.string()),
  details: v.optional(detailsSchema),
});

/** What earlier versions did not write has a default, or may be left out. */
export const resultSchema = v.looseObject({
  iteration: v.wholeNumber(),
  /** When it was written, ISO 8601; older runs do not say it. */
  finished: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  sessionSeconds: v.optional(v.atLeast(0)),
  resumed: v.optional(v.boolean()),
  /** Of the data; not in results of earlier versions. */
  data: v.optional(v.looseObject({
    users: v.tuple([v.wholeNumber(), v.wholeNumber(), v.wholeNumber()]),
    ...{ pages: v.wholeNumber(), rows: v.wholeNumber(), items: v.wholeNumber() },
    warnings: v.optional(v.array(v.string())),
  })),
  test: v.optional(v.array(v.looseObject({
    snapshot: v.string(),
    iteration: v.wholeNumber(),
    ...figuresSchema.entries,
    longerPages: v.optional(v.partial(figuresSchema), {}),
    piPrec1: v.optional(figure),
    piPrec2: v.optional(figure),
    details: v.optional(detailsSchema),
    /** By the name of the baseline. */
    against: v.optional(named(differencesSchema), {}),
    events: v.optional(v.wholeNumber()),
    paired: v.optional(pairedSchema),
  }))),
  baselines: v.optional(named(v.nullable(baselineSchema))),
  snapshots: v.optional(
    v.array(
      v.looseObject({ snapshot: v.string(), minus: v.string(), differences: differencesSchema }),
    ),
    [],
  ),
  verdict: v.optional(v.array(v.string()), []),
});
export type Result = v.InferOutput<typeof resultSchema>;
export type DetailFigures = v.InferOutput<typeof detailsSchema>;
export type FigureDifferences = v.InferOutput<typeof differencesSchema>;

export const configSchema = v.looseObject({
  data: v.optional(v.looseObject({
    kind: v.string(),
    path: v.optional(v.string()),
    seed: v.optional(v.wholeNumber()),
    shop: v.optional(v.string()),
    usersSeed: v.optional(v.wholeNumber()),
    resplit: v.nullish(v.wholeNumber()),
  })),
  training: v.looseObject({ seed: v.wholeNumber(), iterations: v.wholeNumber() }),
  adversarial: v.nullish(v.looseObject({ iterations: v.optional(v.wholeNumber()) })),
});
export type Config = v.InferOutput<typeof configSchema>;

export const seedsSchema = v.looseObject({
  seeds: v.pipe(v.array(v.wholeNumber()), v.minLength(1)),
  config: configSchema,
});

export const experimentSchema = v.looseObject({
  data: v.optional(v.string()),
  models: v.pipe(v.array(v.looseObject({ name: v.string(), folder: v.string() })), v.minLength(1)),
});

export const experimentResultSchema = v.looseObject({
  claims: v.optional(
    v.array(v.looseObject({ claim: v.string(), holds: v.string(), text: v.optional(v.string(), "") })),
    [],
  ),
});
