/** Builds and parses the options of commands with commander, and reports invalid values. */

import { Command, InvalidArgumentError, Option } from "commander";
import { formatValue, makeWholeNumberParser, parseFolder, parsePath } from "../option.ts";
import type { GivenOptions, OptionDefinition, OptionGroup } from "../option.ts";
import { LARGEST_SEED } from "../data/random.ts";
import { contextSchema } from "../predict/request_context.ts";
import * as v from "../schema.ts";
import { UserError } from "../user_error.ts";
import { endProcess } from "./run_main.ts";
import { expectOutputsApart } from "./outputs.ts";
import { explainFileError, readTextSync } from "../files/local_file.ts";
import { getOutputWidth, wrapText } from "./table.ts";
import { version } from "../version.ts";

export {
  type GivenOptions,
  makeNumberParser,
  makeWholeNumberParser as parseWholeNumber,
  parseFolder as folder,
  parsePath as path,
} from "../option.ts";

/** Creates a command that parses the arguments of `deno task TASK`. */
export function createCommand(task: string, description: string): Command {
  return new Command(`deno task ${task}`).description(description);
}

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

export function createOption(definition: OptionDefinition): Option {
  const option = new Option(definition.flags, definition.about);
  switch (definition.kind) {
    case "switch":
      return option.negate || definition.default === undefined ? option : option.default(definition.default);
    case "choice":
      option.choices(definition.choices);
      return definition.default === undefined ? option : option.default(definition.default);
    case "value": {
      option.argParser(definition.parse);
      if (definition.preset !== undefined) option.preset(definition.preset);
      const { default: standard } = definition;
      if (standard === undefined) return option;
      return option.default(standard, Array.isArray(standard) ? formatValue(standard) : undefined);
    }
  }
}

/** Makes a parser of JSON text or of @FILE, a file with JSON. @param example - for error messages */
function makeJsonParser<T>(schema: v.GenericSchema<unknown, T>, example: string): (text: string) => T {
  return (text) => {
    let json: unknown;
    try {
      json = JSON.parse(text.startsWith("@") ? readTextSync(text.slice(1)) : text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw explainFileError(error, "read", text.slice(1));
      throw new InvalidArgumentError(`Expected JSON such as ${example}, got ${text}.`);
    }
    const parsed = v.safeParse(schema, json);
    if (parsed.success) return parsed.output;
    throw new InvalidArgumentError(
      `Expected JSON such as ${example}: ${v.describeIssues(parsed.issues.slice(0, 1))}.`,
    );
  };
}

/** Creates the option --context. @param about - pages that have the values, such as "on all pages" */
export function createContextOption(about: string): Option {
  return new Option(
    "--context <json>",
    `values of context columns ${about}, as JSON or @FILE; "*" means all items: ${CONTEXT_EXAMPLE}`,
  ).argParser(makeJsonParser(contextSchema, CONTEXT_EXAMPLE));
}

const CONTEXT_EXAMPLE = '{"page": {"device": "phone"}, "impressions": {"*": {"price": 12}}}';

/** Help text that describes the syntax of a list of ids (see `parseIds`). */
export const IDS = 'joined by commas, or a JSON list such as ["a","b, c"]; "" for none';

/** Parses an amount of memory in DuckDB's syntax, such as "2GB". */
export function parseMemorySize(text: string): string {
  if (/^\d+(\.\d+)? ?[KMGT]i?B$/i.test(text.trim())) return text.trim();
  throw new InvalidArgumentError(`Expected a size such as 2GB or 800MB, got "${text}".`);
}

/** Lists consecutive seeds. @throws UserError if the last seed is larger than the largest allowed seed */
export function listSeeds(first: number, count: number): number[] {
  const last = first + count - 1;
  if (last <= LARGEST_SEED) return Array.from({ length: count }, (_, k) => first + k);
  throw new UserError(
    `Expected seeds of at most ${LARGEST_SEED}, got --seed ${first} and --seeds ${count}, whose ` +
      `last seed is ${last}. Use a smaller --seed.`,
  );
}

/**
 * Checks that the user typed only options that --resume allows. @param allowed - names of allowed options
 * @param shown - flags of these options, for the message. @throws UserError if the user typed others
 */
export function expectResumedAlone(
  given: GivenOptions,
  allowed: readonly string[],
  shown: string,
  advice: string,
): void {
  const extra = [...given].filter(([name]) => name !== "resume" && !allowed.includes(name));
  if (extra.length === 0) return;
  throw new UserError(
    `Expected --resume alone or with ${shown}, got ${extra.map(([, flag]) => flag).join(", ")} too: a ` +
      `resumed training keeps its other settings. ${advice}`,
  );
}

export function createSeedOption(about: string, flag = "--seed"): Option {
  return new Option(`${flag} <n>`, about).argParser(makeWholeNumberParser(0, LARGEST_SEED))
    .default(flag === "--seed" ? 1 : undefined);
}

/** Parses an argument that may be repeated: appends the path of a folder to the earlier paths. */
export function eachFolder(text: string, before: readonly string[] = []): string[] {
  return [...before, parseFolder(text)];
}

/** Arguments for commander's method `option()`, which define --allow-host of `serve` and `lab`. */
export const ALLOW_HOST = [
  "--allow-host <name>",
  "accept requests to this host name, such as a proxy's, besides localhost; may be repeated",
  (text: string, before: readonly string[]): readonly string[] => {
    if (URL.parse(`http://${text}`)?.host === text.toLowerCase() && !/:\d+$/.test(text)) {
      return [...before, text];
    }
    throw new InvalidArgumentError(`Expected a host name such as shop.example, got "${text}".`);
  },
  [] as readonly string[],
] as const;
/** Makes a parser of output paths that accepts only the given endings, such as ".html". */
export const makeOutputFileParser = (...endings: readonly string[]) => (text: string): string => {
  const name = parsePath(text).replace(/^.*[/\\]/, "").toLowerCase();
  if (endings.some((ending) => name.endsWith(ending) && name !== ending)) return text;
  throw new InvalidArgumentError(`Expected a file that ends in ${endings.join(" or ")}, got "${text}".`);
};

/** Returns the options that the user typed, after {@link parse} has parsed them. */
export function listGivenOptions(command: Command): GivenOptions {
  const given = new Map<string, string>();
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== "cli") continue;
    const isOff = command.getOptionValue(name) === false; // typed as --no-..., which may be a separate option
    if (option.negate === isOff) given.set(name, option.long ?? option.flags);
  }
  return given;
}

/** Parses arguments. Converts commander's errors to UserErrors. --help and --version end the process. */
export function parse<T extends object>(command: Command, args: readonly string[]): T {
  prepare(withVersion(command));
  try {
    command.parse([...args], { from: "user" });
    expectOutputsApart(command);
  } catch (error) {
    throw toUserError(error, meantBy(command, args));
  }
  return command.opts<T>();
}

/** Parses arguments, and runs the action of the command or of the typed subcommand. */
export async function parseAndRun(command: Command, args: readonly string[]): Promise<void> {
  for (const one of [withVersion(command), ...command.commands]) prepare(one);
  command.hook("preAction", (_, meant) => expectOutputsApart(meant));
  try {
    await command.parseAsync([...args], { from: "user" });
  } catch (error) {
    const meant = command.commands.find((one) => one.name() === args[0]);
    throw toUserError(error, meant?.options.some(({ long }) => long === "--query") ? OTHER_LAYOUTS : "");
  }
}

const OTHER_LAYOUTS = "\nA SELECT reads a log in any other layout: --query FILE.sql. Examples: data/recipes.";

function withVersion(command: Command): Command {
  return command.optionsGroup("Options:").version(version);
}

/** Width of help texts in characters if the output is not a terminal (commander's default). */
const HELP_WIDTH = 80;

function prepare(command: Command): void {
  const width = Number.isFinite(getOutputWidth()) ? getOutputWidth() : HELP_WIDTH;
  // console.log continues after a write error (run_main.ts); a write to the stream would throw.
  const writeOut = (text: string) => console.log(wrapText(text.replace(/\n$/, ""), width));
  // Without colours, commander reads no environment variables.
  const plain = { getOutHasColors: () => false, getErrHasColors: () => false };
  command.exitOverride().configureOutput({ ...plain, writeOut, outputError: () => {} });
  command.showHelpAfterError(false);
  command.allowExcessArguments(false);
}

/** Returns a hint on a mistyped option, such as "Expected --split test, got --part test."; "" for none. */
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

/** Converts commander's errors to UserErrors. @param hint - text for the message if an option is unknown */
function toUserError(error: unknown, hint = ""): unknown {
  if (!(error instanceof Error) || !("exitCode" in error)) return error;
  if (error.exitCode === 0) endProcess(0);
  const added = "code" in error && error.code === "commander.unknownOption" ? hint : "";
  return new UserError(`${error.message.replace(/^error: /, "")}${added}\nSee --help for all options.`);
}
