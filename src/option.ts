/**
 * Definitions of options. An option's definition has its flags, help text, range, default, and the schema of
 * the config field that the option sets. The config's schema and defaults, the command line and the lab's
 * form are derived from this definition, so they use the same words and refuse the same values.
 */

import * as v from "./schema.ts";
import { UserError } from "./user_error.ts";

/** Error for a value that an option refuses. The caller adds the option's name to the message. */
export class InvalidValueError extends UserError {
  /** Error code that makes the package commander add the option's name to the message. */
  readonly code = "commander.invalidArgument";
}

/** Values that an option accepts: a schema for values in a config, and a parser for texts that users type. */
export interface ValueRange<T> {
  readonly schema: v.GenericSchema<unknown, T>;
  /** Parses a text that a user typed. @throws InvalidValueError for a value out of range. */
  parse(text: string): T;
  /** All accepted words, if the option accepts only words of a list. */
  readonly choices?: readonly string[];
}

/** Returns a parser of whole numbers from `least` to `most`. It throws InvalidValueError for other texts. */
export function makeWholeNumberParser(
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text.trim()) && value >= least && value <= most) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `in ${least}..${most}`;
    throw new InvalidValueError(`Expected a whole number ${range}, got "${text}".`);
  };
}

type NumberSchema = v.GenericSchema<unknown, number>;

/** Returns a parser of the numbers that a schema accepts. @param expected - description of these numbers. */
export function makeNumberParser(schema: NumberSchema, expected: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (v.is(schema, value)) return value;
    throw new InvalidValueError(`Expected ${expected}, got "${text}".`);
  };
}

export function whole(least: number, most?: number): ValueRange<number> {
  return { schema: v.whole(least, most), parse: makeWholeNumberParser(least, most) };
}

function numbers(schema: NumberSchema, expected: string): ValueRange<number> {
  return { schema, parse: makeNumberParser(schema, expected) };
}

export function positive(most: number): ValueRange<number> {
  return numbers(v.positive(most), `a number above 0 and at most ${most}`);
}

/** Returns the range of all numbers from `least` to `most`, both included. */
export function between(least: number, most: number): ValueRange<number> {
  return numbers(v.between(least, most), `a number from ${least} to ${most}`);
}

const MOST_LAYERS = 8;
const WIDEST_LAYER = 4096;

/** Returns the range of lists of layer sizes, such as 64-64. If `least` is 0, "none" (no layer) is valid. */
export function layers(least: 0 | 1): ValueRange<number[]> {
  const schema = v.pipe(v.array(v.whole(1, WIDEST_LAYER)), v.minLength(least), v.maxLength(MOST_LAYERS));
  return {
    schema,
    parse(text) {
      const sizes = text === "none" ? [] : text.split("-").map(Number);
      if (/^(none|\d+(-\d+)*)$/.test(text) && v.is(schema, sizes)) return sizes;
      throw new InvalidValueError(
        `Expected 1 to ${MOST_LAYERS} layer sizes in 1..${WIDEST_LAYER}, such as 64-64, got "${text}".`,
      );
    },
  };
}

export function picklist<const T extends string>(choices: readonly T[]): ValueRange<T> {
  const schema = v.picklist(choices);
  return { schema, choices, parse: (text) => v.parse(schema, text) };
}

/** Returns a range that also accepts null in a config. Null means that the user typed no value. */
export function orNull<T>({ schema, ...range }: ValueRange<T>): ValueRange<T | null> {
  return { ...range, schema: v.nullable(schema) };
}

interface Common {
  /** Flags in commander's syntax: "--lstm-units <n>". */
  readonly flags: string;
  /** Property name of the option's value, such as `lstmUnits`. */
  readonly name: string;
  readonly about: string;
}

export interface ValueOption extends Common {
  readonly kind: "value";
  /** Parses a text that a user typed. @throws InvalidValueError for a value out of range. */
  parse(text: string): unknown;
  /** Default value; undefined if it depends on other options or data (the help text says how). */
  readonly default?: unknown;
  /** Value if the user types the option without a value; undefined if the user must type a value. */
  readonly preset?: string;
}

/** An option whose value is one of the words in a list. */
export interface ChoiceOption extends Common {
  readonly kind: "choice";
  readonly choices: readonly string[];
  readonly default?: string;
}

/** Boolean option, typed without a value. A flag `--no-...` sets false, and its default is true. */
export interface SwitchOption extends Common {
  readonly kind: "switch";
  /** Default value; undefined if the command must know whether the user typed the option. */
  readonly default: boolean | undefined;
  /** Help text of the second flag `--no-...`, if the option has one. */
  readonly otherwise?: string;
}

export type OptionDefinition = ValueOption | ChoiceOption | SwitchOption;

export type TypedOption<T> = OptionDefinition & { readonly type?: T };

type Table = Readonly<Record<string, TypedOption<unknown>>>;
type TypeOf<O> = O extends { readonly type?: infer T } ? Exclude<T, undefined> : never;
/** Values of options, by option name. */
export type OptionValues<O extends Table> = { readonly [K in keyof O]?: TypeOf<O[K]> };

/** Options that the help text lists under one heading. */
export interface OptionGroup {
  readonly heading: string;
  readonly options: readonly OptionDefinition[];
}

/** Flags of the options that a user typed, by option name, in the order of the help text. */
export type GivenOptions = ReadonlyMap<string, string>;

/** Defines an option that sets no config field. @param preset - see {@link ValueOption} */
export function defineValueOption<T>(
  flags: string,
  about: string,
  { parse, choices }: Pick<ValueRange<T>, "parse" | "choices">,
  standard?: T | null,
  preset?: string,
): (ValueOption | ChoiceOption) & { readonly type?: T } {
  const common = { flags, name: extractName(flags), about };
  if (choices) {
    return { kind: "choice", ...common, choices, default: choices.find((one) => one === standard) };
  }
  return { kind: "value", ...common, parse, default: standard ?? undefined, preset };
}

/** Defines an option without a value. The default is true for a flag `--no-...`, false for others. */
export function defineSwitchOption(flags: string, about: string): SwitchOption & TypedOption<boolean> {
  return { kind: "switch", flags, name: extractName(flags), about, default: flags.startsWith("--no-") };
}

/** Defines a flag whose value is undefined if not typed. @param otherwise - help text of `--no-...` */
export function defineFlagOption(flags: string, about: string, otherwise?: string): TypedOption<boolean> {
  return { ...defineSwitchOption(flags, about), default: undefined, otherwise };
}

export function defineNameOption(flags: string, about: string): TypedOption<string> {
  return defineValueOption(flags, about, { parse: (text) => anyText(text, "a name") });
}

/** Returns `text`. @throws InvalidValueError for blank text: "Expected <expected>, got nothing." */
function anyText(text: string, expected: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidValueError(`Expected ${expected}, got nothing.`);
}

/** Parses the path of a file or folder. @throws InvalidValueError for blank or non-UTF-8 text. */
export function parsePath(text: string): string {
  return utf8Path(text, "a path");
}

/** Refuses a path with bytes that are not UTF-8: Deno replaces them, and would then open another file. */
function utf8Path(text: string, expected: string): string {
  if (!text.includes("\uFFFD")) return anyText(text, expected);
  throw new InvalidValueError(
    `Expected ${expected} in UTF-8, got ${JSON.stringify(text)}. Rename the file or folder.`,
  );
}

/** Parses the path of a folder. @throws InvalidValueError for blank or non-UTF-8 text. */
export function parseFolder(text: string): string {
  return utf8Path(text, "the path of a folder");
}

/** Extracts the flag from an option's syntax: "--lstm-units" from "--lstm-units <n>". */
export function extractFlag({ flags }: Pick<OptionDefinition, "flags">): string {
  return flags.replace(/ .*/, "");
}

/** Converts flags to a property name: "--batch-size <n>" to `batchSize`, "--no-pretrain" to `pretrain`. */
function extractName(flags: string): string {
  return extractFlag({ flags }).replace(/^--(no-)?/, "").replace(
    /-(\w)/g,
    (_, letter: string) => letter.toUpperCase(),
  );
}

/** Formats a value as a user would type it; "" for null and undefined. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.join("-") || "none";
  return String(value ?? "");
}

export interface ConfigField<T> {
  readonly schema: v.GenericSchema<unknown, T>;
  readonly standard: T;
  /** Option that sets the field; undefined if no option does. */
  readonly option?: OptionDefinition;
}

export type ConfigFields<T> = { readonly [K in keyof T]: ConfigField<T[K]> };

/** Type of a config, derived from the table of its fields. @typeParam F - type of the table */
export type ConfigOf<F> = { -readonly [K in keyof F]: F[K] extends ConfigField<infer T> ? T : never };

interface FieldOptions {
  /** True if the field's default depends on data or other options, so that the option itself has none. */
  readonly depends?: boolean;
  readonly preset?: string;
}

/** Defines a config field that is set by an option with a value. */
export function defineField<T>(
  flags: string,
  about: string,
  range: ValueRange<T>,
  standard: T,
  { depends = false, preset }: FieldOptions = {},
): ConfigField<T> {
  const option = defineValueOption(flags, about, range, depends ? undefined : standard, preset);
  return { ...defineFixedField(range, standard), option };
}

/** Defines a boolean config field, which has the value `standard` unless the user types the option. */
export function defineSwitchField(flags: string, about: string, standard: boolean): ConfigField<boolean> {
  return { ...defineFixedField({ schema: v.boolean() }, standard), option: defineSwitchOption(flags, about) };
}

/** Defines a config field that no option sets. */
export function defineFixedField<T>({ schema }: Pick<ValueRange<T>, "schema">, standard: T): ConfigField<T> {
  return { schema, standard };
}

type Entries<T> = { readonly [K in keyof T]: v.GenericSchema<unknown, T[K]> };

/** Returns the schemas of all config fields, from which the config's schema is built. */
export function buildSchemaEntries<T>(fields: ConfigFields<T>): Entries<T> {
  return mapped(fields, ({ schema }) => schema) as unknown as Entries<T>;
}

export function getDefaults<T>(fields: ConfigFields<T>): T {
  return mapped(fields, ({ standard }) => standard) as T;
}

export function listOptions(fields: Readonly<Record<string, ConfigField<unknown>>>): OptionDefinition[] {
  return Object.values(fields).flatMap(({ option }) => option ?? []);
}

/** Builds a config: a field gets the value that its option has in `values`, or else its default. */
export function buildConfig<T>(fields: ConfigFields<T>, values: Readonly<Record<string, unknown>>): T {
  return mapped(fields, ({ standard, option }) => {
    if (!option) return standard;
    const given = values[option.name];
    const value = given === undefined ? option.default : given;
    if (option.kind === "switch") return (value === option.default) === standard;
    return value === undefined ? standard : value;
  }) as T;
}

/** Returns the option values from which {@link buildConfig} builds `config`. */
export function getOptionValues<T>(fields: ConfigFields<T>, config: T): Record<string, unknown> {
  const values = Object.values(mapped(fields, ({ option, standard }, name) => {
    const value = config[name];
    return [option?.name, option?.kind === "switch" ? (value === standard) === option.default : value];
  }));
  return Object.fromEntries(values.filter(([name]) => name !== undefined));
}

function mapped<T, U>(
  fields: ConfigFields<T>,
  of: (field: ConfigField<unknown>, name: keyof T) => U,
): Record<string, U> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return Object.fromEntries(names.map((name) => [name, of(fields[name] as ConfigField<unknown>, name)]));
}
