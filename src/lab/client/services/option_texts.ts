/** The options of `train`, read where their schemas are: the page shows them, and asks here whether a text is one of theirs. */

import { modelFields } from "../../../model/model_config.ts";
import {
  extractFlag,
  formatValue,
  getOptionValues,
  InvalidValueError,
  type OptionDefinition,
  type ValueOption,
} from "../../../option.ts";
import {
  checkTogether,
  seedOption,
  stagesGroups,
  type StagesOptions,
  WEIGHT_DECAY,
} from "../../../run/options/stages_options.ts";
import { adversarialFields, type StagesConfig, trainingFields } from "../../../train/training_config.ts";

/** An option as a form shows it. */
export type ShownOption = Exclude<OptionDefinition, ValueOption> | Omit<ValueOption, "parse">;

export interface ShownGroup {
  readonly heading: string;
  readonly options: readonly ShownOption[];
}

/** What was typed, by the options' names; what is left out or empty is the default. */
export type OptionTexts = Readonly<Record<string, string>>;

const groups = [...stagesGroups, { heading: "Run:", options: [seedOption] }];
const definitions = groups.flatMap(({ options }) => options);

/** The options without their parsers, which do not cross over to the page. */
export function listShownGroups(): ShownGroup[] {
  return JSON.parse(JSON.stringify(groups));
}

/** @returns what is wrong with these texts, by the options' names. */
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
 * What is to be trained; `buildStagesConfig` says what that is on some data.
 * @param fromSnapshot whether it starts from a snapshot, as by `--init`.
 * @throws UserError for options that make no sense, alone or together.
 */
export function readOptions(
  { texts, fromSnapshot }: { readonly texts: OptionTexts; readonly fromSnapshot: boolean },
): StagesOptions {
  const pairs = definitions.map((one) => [one.name, parseOption(one, texts)]);
  if (fromSnapshot) pairs.push(["init", "the snapshot"]);
  // By the options' own parsers and defaults, as the command has them.
  const values = Object.fromEntries(pairs) as StagesOptions;
  const given = definitions.filter(({ name }) => (texts[name] ?? "") !== "");
  checkTogether(values, new Map(given.map((one) => [one.name, extractFlag(one)])));
  return values;
}

/** What would be typed for it; nothing for what is the default. */
export function formatOptionTexts({ model, training, pretrain, adversarial }: StagesConfig): OptionTexts {
  const values: Readonly<Record<string, unknown>> = {
    ...(adversarial ? getOptionValues(adversarialFields, adversarial) : {}),
    ...getOptionValues(trainingFields, training),
    ...getOptionValues<object>(modelFields[model.encoder], model),
    ...{ encoder: model.encoder, counts: model.counts ? "all" : "none" },
    ...{ pretrain, adversarial: adversarial?.iterations ?? 0 },
    weightDecay: decayText(model.counts !== null, training.weightDecay, adversarial?.weightDecay),
  };
  const texts = definitions.map((one) => {
    const text = formatValue(values[one.name]);
    if (text === "" || text === formatValue(one.default)) return [one.name, ""];
    return [one.name, one.kind === "switch" ? "yes" : text];
  });
  return Object.fromEntries(texts);
}

/** Where none was given it is another one in each stage, so that one for both would say something else. */
function decayText(counts: boolean, shannon: number, adversarial: number | undefined): string {
  const isDefault = shannon === (counts ? WEIGHT_DECAY : 0);
  return isDefault && (shannon === 0 || adversarial !== shannon) ? "" : String(shannon);
}

/** The flags of the options in which two trainings differ, but for those of these names. */
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
