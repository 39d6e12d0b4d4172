/** Parses, in the worker, the options of `train` that the user entered on the page. */

import { modelFields } from "../../../model/model_config.ts";
import { extractFlag, formatValue, getOptionValues, InvalidValueError } from "../../../option.ts";
import type { OptionDefinition, ValueOption } from "../../../option.ts";
import {
  checkTogether,
  EARLY_STOPPING,
  seedOption,
  stagesGroups,
  type StagesOptions,
  TOKEN_SHRINKAGE,
  WEIGHT_DECAY,
} from "../../../run/options/stages_options.ts";
import { adversarialFields, trainingFields } from "../../../train/training_config.ts";
import type { StageConfig, StagesConfig } from "../../../train/training_config.ts";

export type ShownOption = Exclude<OptionDefinition, ValueOption> | Omit<ValueOption, "parse">;

export interface ShownGroup {
  readonly heading: string;
  readonly options: readonly ShownOption[];
}

/** Option values as the user typed them, by option name. A missing value, or "", means the default. */
export type OptionTexts = Readonly<Record<string, string>>;

const groups = [...stagesGroups, { heading: "Run:", options: [seedOption] }];
const definitions = groups.flatMap(({ options }) => options);

/** Returns the options without parsers, because messages to the page cannot contain functions. */
export function listShownGroups(): ShownGroup[] {
  return JSON.parse(JSON.stringify(groups));
}

/** Returns error messages for invalid option values, by option name. */
export function findFaults(texts: OptionTexts): Record<string, string> {
  const faults: Record<string, string> = {};
  for (const definition of definitions) {
    try {
      parseOption(definition, texts);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      faults[definition.name] = error.message;
    }
  }
  return faults;
}

/**
 * Parses the options of a training. If an option's default depends on the data, its value stays undefined.
 * @param fromSnapshot - true to start from a snapshot, as with --init
 * @throws UserError for an invalid option, or for options that contradict each other
 */
export function readOptions(
  { texts, fromSnapshot }: { readonly texts: OptionTexts; readonly fromSnapshot: boolean },
): StagesOptions {
  const pairs = definitions.map((one) => [one.name, parseOption(one, texts)]);
  if (fromSnapshot) pairs.push(["init", "the snapshot"]);
  // The cast is safe: parsers and defaults are those of the command `train`.
  const values = Object.fromEntries(pairs) as StagesOptions;
  const entered = definitions.filter(({ name }) => (texts[name] ?? "") !== "");
  checkTogether(values, new Map(entered.map((one) => [one.name, extractFlag(one)])));
  return values;
}

/** Converts a configuration to option values as a user would type them; "" for a default value. */
export function formatOptionTexts({ model, training, pretrain, adversarial }: StagesConfig): OptionTexts {
  const values: Readonly<Record<string, unknown>> = {
    ...(adversarial ? getOptionValues(adversarialFields, adversarial) : {}),
    ...getOptionValues(trainingFields, training),
    ...getOptionValues<object>(modelFields[model.encoder], model),
    ...{ encoder: model.encoder, counts: model.counts ? "all" : "none" },
    ...{ pretrain, adversarial: adversarial?.iterations ?? 0 },
    weightDecay: formatStageOption("weightDecay", model.counts ? WEIGHT_DECAY : 0, training, adversarial),
    tokenDecay: formatStageOption(
      "tokenDecay",
      model.counts ? TOKEN_SHRINKAGE / training.learningRate : null,
      training,
      adversarial,
    ),
    earlyStopping: formatStageOption(
      "earlyStopping",
      model.counts ? EARLY_STOPPING : "none",
      training,
      adversarial,
    ),
  };
  const texts = definitions.map((one) => {
    const text = formatValue(values[one.name]);
    if (text === "" || text === formatValue(one.default)) return [one.name, ""];
    return [one.name, one.kind === "switch" ? "yes" : text];
  });
  return Object.fromEntries(texts);
}

/** Formats a value for a form field; "" for the default. @param standard - the Shannon stage's default */
function formatStageOption<N extends "weightDecay" | "tokenDecay" | "earlyStopping">(
  name: N,
  standard: StageConfig[N],
  { [name]: shannon }: Pick<StageConfig, N>,
  adversarial: Pick<StageConfig, N> | null,
): string {
  const isDefault = shannon === standard &&
    (!shannon || shannon === "none" || adversarial?.[name] !== shannon);
  return isDefault ? "" : String(shannon ?? "");
}

/** Lists the flags of options whose values differ in `a` and `b`. @param but - names of options to ignore */
export function listChangedFlags(a: StagesConfig, b: StagesConfig, but: readonly string[]): string[] {
  const [before, now] = [formatOptionTexts(a), formatOptionTexts(b)];
  return definitions.filter(({ name }) => before[name] !== now[name] && !but.includes(name)).map(extractFlag);
}

function parseOption(definition: OptionDefinition, texts: OptionTexts): unknown {
  const text = texts[definition.name] ?? "";
  if (text === "") return definition.default;
  switch (definition.kind) {
    case "switch":
      return !definition.default;
    case "choice":
      return text;
    case "value":
      return definition.parse(text);
  }
}
