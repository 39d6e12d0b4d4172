/**
 * Options as data: the command line makes commander's options of them, the lab makes the fields of a form. So both have the
 * same words, the same defaults, and refuse the same values.
 */

/** How an option is written and what it is for. */
interface Common {
  /** As commander has it: "--lstm-units <n>". */
  readonly flags: string;
  /** Its name among the values: `lstmUnits`. */
  readonly name: string;
  readonly about: string;
}

/** An option with a value. */
export interface ValueOption extends Common {
  readonly kind: "value";
  /** @throws InvalidValue for what it does not take. */
  parse(text: string): unknown;
  /** Undefined where it depends on others: `about` says on which. */
  readonly default?: unknown;
  /** The default as it is written, where that is not how it is printed. */
  readonly defaultText?: string;
  /** What is taken for an option that is named without a value; undefined where it needs one. */
  readonly preset?: string;
}

/** One of a few words. */
export interface ChoiceOption extends Common {
  readonly kind: "choice";
  readonly choices: readonly string[];
  /** Undefined for none of them. */
  readonly default?: string;
}

/** Yes or no; `--no-...` is yes by default. */
export interface SwitchOption extends Common {
  readonly kind: "switch";
  readonly default: boolean;
}

export type OptionDefinition = ValueOption | ChoiceOption | SwitchOption;

/** Options that belong together, under a heading. */
export interface OptionGroup {
  readonly heading: string;
  readonly options: readonly OptionDefinition[];
}

/** Options that were given: the flag of each by its name, in the order of the help. */
export type GivenOptions = ReadonlyMap<string, string>;

/** An option with a value. @param standard its default, and how that is written where it is not how it is printed. */
export function valued<T>(
  flags: string,
  about: string,
  parse: (text: string) => T,
  standard?: T,
  { defaultText, preset }: { readonly defaultText?: string; readonly preset?: string } = {},
): ValueOption {
  return { kind: "value", flags, name: nameOf(flags), about, parse, default: standard, defaultText, preset };
}

export function choice(
  flags: string,
  about: string,
  choices: readonly string[],
  standard?: string,
): ChoiceOption {
  return { kind: "choice", flags, name: nameOf(flags), about, choices, default: standard };
}

export function switched(flags: string, about: string): SwitchOption {
  return { kind: "switch", flags, name: nameOf(flags), about, default: flags.startsWith("--no-") };
}

/** The flag alone: "--lstm-units". */
export function flagOf({ flags }: Pick<OptionDefinition, "flags">): string {
  return flags.replace(/ .*/, "");
}

/** "--batch-size <n>" is `batchSize`, "--no-pretrain" is `pretrain`. */
function nameOf(flags: string): string {
  return flagOf({ flags }).replace(/^--(no-)?/, "").replace(
    /-(\w)/g,
    (_, letter: string) => letter.toUpperCase(),
  );
}

export function namesOf(groups: readonly OptionGroup[]): string[] {
  return groups.flatMap(({ options }) => options.map(({ name }) => name));
}
