/** The options of `train`, read where their schemas are: the page shows them, and asks here whether a text is one of theirs. */

import type { ModelConfig } from "../../../model/config.ts";
import type { OptionDefinition, ValueOption } from "../../../options/definition.ts";
import { checkModelOptions, modelGroup, modelOf, type ModelOptions } from "../../../options/model.ts";
import {
  checkSchedule,
  optimiserGroups,
  type OptimiserOptions,
  seedOption,
  shannonGroup,
  type ShannonOptions,
  trainingOf,
} from "../../../options/training.ts";
import { InvalidValue } from "../../../options/values.ts";
import type { TrainingConfig } from "../../../train/config.ts";

/** An option as a form shows it. */
export type ShownOption = Exclude<OptionDefinition, ValueOption> | Omit<ValueOption, "parse">;

export interface ShownGroup {
  readonly heading: string;
  readonly options: readonly ShownOption[];
}

/** What was typed, by the options' names; what is left out or empty is the default. */
export type OptionTexts = Readonly<Record<string, string>>;

const groups = [modelGroup, shannonGroup, { heading: "Run:", options: [seedOption] }, ...optimiserGroups];

/** The options without their parsers, which do not cross over to the page. */
export function shownGroups(): ShownGroup[] {
  return groups.map(({ heading, options }) => ({
    heading,
    options: options.map((option) => {
      if (option.kind !== "value") return option;
      const { parse: _, ...shown } = option;
      return shown;
    }),
  }));
}

/** @returns what is wrong with these texts, by the options' names. */
export function faultsOf(texts: OptionTexts): Record<string, string> {
  const faults: Record<string, string> = {};
  for (const definition of groups.flatMap(({ options }) => options)) {
    try {
      valueOf(definition, texts);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      faults[definition.name] = error.message;
    }
  }
  return faults;
}

/** What is to be trained. @throws UserError for options that make no sense, alone or together. */
export function readOptions(texts: OptionTexts): { model: ModelConfig; training: TrainingConfig } {
  const pairs = groups.flatMap(({ options }) => options).map((one) => [one.name, valueOf(one, texts)]);
  // By the options' own parsers and defaults, as the command has them.
  const values = Object.fromEntries(pairs) as ModelOptions & ShannonOptions & OptimiserOptions & {
    seed: number;
  };
  checkSchedule(values);
  checkModelOptions({ ...values, adversarial: 0 });
  return { model: modelOf(values), training: trainingOf(values) };
}

function valueOf(definition: OptionDefinition, texts: OptionTexts): unknown {
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
