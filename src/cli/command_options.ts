/** The options of commands, with what is expected of their values and what to say when something else is given. */

import { type Command, InvalidArgumentError, Option } from "commander";
import * as values from "../option.ts";
import {
  formatValue,
  type GivenOptions,
  InvalidValueError,
  type OptionDefinition,
  type OptionGroup,
} from "../option.ts";
import { LARGEST_SEED } from "../train/training_config.ts";
import { UserError } from "../user_error.ts";
import { endProcess } from "./fail.ts";
import { expectOutputsApart } from "./outputs.ts";

export { type GivenOptions } from "../option.ts";
export { LARGEST_SEED };

/** Adds a group under its heading. */
export function addGroup(command: Command, { heading, options }: OptionGroup): Command {
  return addOptions(command.optionsGroup(heading), options);
}

export function addOptions(command: Command, options: readonly OptionDefinition[]): Command {
  for (const definition of options) {
    command.addOption(createOption(definition));
    if (definition.kind !== "switch" || definition.otherwise === undefined) continue;
    command.option(definition.flags.replace("--", "--no-"), definition.otherwise);
  }
  return command;
}

/** An option as commander has it. */
export function createOption(definition: OptionDefinition): Option {
  const option = new Option(definition.flags, definition.about);
  switch (definition.kind) {
    case "switch":
      return option.negate || definition.default === undefined ? option : option.default(definition.default);
    case "choice":
      option.choices(definition.choices);
      return definition.default === undefined ? option : option.default(definition.default);
    case "value": {
      option.argParser(asArgument(definition.parse));
      if (definition.preset !== undefined) option.preset(definition.preset);
      const { default: standard } = definition;
      if (standard === undefined) return option;
      return option.default(standard, Array.isArray(standard) ? formatValue(standard) : undefined);
    }
  }
}

/** What commander takes: its own error for a value that is refused, to which it adds the option's name. */
function asArgument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw error instanceof InvalidValueError ? new InvalidArgumentError(error.message) : error;
    }
  };
}

/** A whole number of `least` or more. */
export const parseWholeNumber = (least: number, most?: number): (text: string) => number =>
  asArgument(values.makeWholeNumberParser(least, most));

/** A number that a schema accepts. */
export const makeNumberParser = (schema: values.NumberSchema, expected: string): (text: string) => number =>
  asArgument(values.makeNumberParser(schema, expected));

/** How an option takes ids by `parseIds`. */
export const IDS = 'joined by commas, or a JSON list such as ["a","b, c"]; "" for none';

/** An amount of memory, as DuckDB takes it. */
export function parseMemorySize(text: string): string {
  if (/^\d+(\.\d+)? ?[KMGT]i?B$/i.test(text.trim())) return text.trim();
  throw new InvalidArgumentError(`Expected a size such as 2GB or 800MB, got "${text}".`);
}

/** @throws UserError where the seeds of a command go beyond what a seed may be. */
export function checkSeeds(first: number, count: number): void {
  const last = first + count - 1;
  if (last <= LARGEST_SEED) return;
  throw new UserError(
    `Expected seeds of at most ${LARGEST_SEED}, got --seed ${first} and --seeds ${count}: the last one is ${last}. ` +
      "Use a smaller --seed.",
  );
}

/** A path, of a file or a folder. */
export const path = asArgument(values.parsePath);

/** A folder's path. */
export const folder = asArgument(values.parseFolder);

/** Whom `serve` and `lab` answer: `.option(...ALLOW_HOST)`. */
export const ALLOW_HOST = [
  "--allow-host <name>",
  "a name besides localhost by which it may be asked, such as that of a proxy in front; may be repeated",
  (text: string, before: readonly string[]): readonly string[] => {
    if (URL.parse(`http://${text}`)?.host === text.toLowerCase() && !/:\d+$/.test(text)) {
      return [...before, text];
    }
    throw new InvalidArgumentError(`Expected a host's name such as shop.example, got "${text}".`);
  },
  [] as readonly string[],
] as const;
/** A file that is written, by its name: it has one of some endings, so that it takes no other kind of file's place. */
export const makeOutputFileParser = (...endings: readonly string[]) => (text: string): string => {
  const name = path(text).replace(/^.*[/\\]/, "").toLowerCase();
  if (endings.some((ending) => name.endsWith(ending) && name !== ending)) return text;
  throw new InvalidArgumentError(`Expected a file that ends in ${endings.join(" or ")}, got "${text}".`);
};

/** The options of a command, after {@link parse}, that its arguments gave. */
export function listGivenOptions(command: Command): GivenOptions {
  const given = new Map<string, string>();
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== "cli") continue;
    const isOff = command.getOptionValue(name) === false; // by its --no- form, which may be an option beside it
    if (option.negate === isOff) given.set(name, option.long ?? option.flags);
  }
  return given;
}

/** Parses with commander; its complaints become errors, --help and --version end the process. */
export function parse<T extends object>(command: Command, args: readonly string[]): T {
  prepare(command);
  try {
    command.parse([...args], { from: "user" });
    expectOutputsApart(command);
  } catch (error) {
    throw toUserError(error, meantBy(command, args));
  }
  return command.opts<T>();
}

/** The same for a command with actions, its own or those of its subcommands: the one that is meant is run. */
export async function parseAndRun(command: Command, args: readonly string[]): Promise<void> {
  for (const one of [command, ...command.commands]) prepare(one);
  command.hook("preAction", (_, meant) => expectOutputsApart(meant));
  try {
    await command.parseAsync([...args], { from: "user" });
  } catch (error) {
    throw toUserError(error);
  }
}

function prepare(command: Command): void {
  const writeOut = (text: string) => console.log(text.replace(/\n$/, "")); // guarded, unlike the stream
  const plain = { getOutHasColors: () => false, getErrHasColors: () => false }; // without a look at variables
  command.exitOverride().configureOutput({ ...plain, writeOut, outputError: () => {} });
  command.showHelpAfterError(false);
  command.allowExcessArguments(false);
}

/** Where the value of an option that is not known is one of those of another: that one was meant. */
function meantBy({ options }: Command, args: readonly string[]): string {
  const words = args.flatMap((arg) => arg.startsWith("--") ? arg.split("=") : [arg]);
  const hints = words.flatMap((word, k) => {
    if (!word.startsWith("--") || options.some(({ long }) => long === word)) return [];
    const value = words[k + 1] ?? "";
    const meant = options.find(({ argChoices }) => argChoices?.includes(value));
    return meant ? [`\nExpected ${meant.long} ${value}, got ${word} ${value}.`] : [];
  });
  return hints[0] ?? "";
}

/** The error to throw for what commander threw, or an action. @param hint added where an option is not known. */
function toUserError(error: unknown, hint = ""): unknown {
  if (!(error instanceof Error) || !("exitCode" in error)) return error;
  if (error.exitCode === 0) endProcess(0);
  const added = "code" in error && error.code === "commander.unknownOption" ? hint : "";
  return new UserError(`${error.message.replace(/^error: /, "")}${added}\nSee --help for all options.`);
}
