/** No command writes over, or into, what it reads or what another command made, and it writes to nothing else than its outputs. */

import type { Command } from "commander";
import { findMadeFolder } from "../files/folder_formats.ts";
import { allowWrites, isWithin, resolvePath, tryRealPath } from "../files/write_scope.ts";
import { UserError } from "../user_error.ts";
import {
  BUILD,
  DEFAULT_RUN_FOLDER,
  HTML_FILE,
  JSON_FILE,
  ONNX,
  OUT_FILE,
  OUT_FOLDER,
  README,
  RESUME,
  SAVE_DIR,
  SUMMARY,
  WRITE_LOG,
} from "./arguments.ts";

/** The options that name what is written. */
const OUTPUTS: readonly string[] = [
  OUT_FILE,
  OUT_FOLDER,
  SAVE_DIR,
  WRITE_LOG,
  ONNX,
  BUILD,
  JSON_FILE,
  HTML_FILE,
];
/** The options that name a file or folder that a command goes on with, or changes a part of. */
const CHANGED: readonly string[] = [RESUME, README, SUMMARY];

/** A path, and what names it, in words. */
export interface NamedPath {
  readonly by: string;
  readonly path: string;
}

/** Looks at all that a command was given, after it was parsed. @throws UserError as {@link expectApart}. */
export function expectOutputsApart(command: Command): void {
  const outputs: NamedPath[] = [];
  const inputs: NamedPath[] = command.args.map((path) => ({ by: "an argument", path }));
  const resumed: string[] = [];
  for (const { flags, long, attributeName } of command.options.map(describeOption)) {
    if (CHANGED.includes(flags)) {
      resumed.push(...listTexts(command.getOptionValue(attributeName)));
      continue;
    }
    const isOutput = OUTPUTS.includes(flags);
    for (const path of listTexts(command.getOptionValue(attributeName))) {
      if (flags === BUILD) expectNotMade({ by: long, path });
      (isOutput ? outputs : inputs).push({ by: long, path });
    }
  }
  for (const [k, output] of outputs.entries()) {
    expectApart(output, [
      ...inputs.filter(({ path }) => tryRealPath(path) !== undefined),
      ...outputs.toSpliced(k, 1),
    ]);
  }
  [...outputs.map(({ path }) => path), ...resumed, DEFAULT_RUN_FOLDER].forEach(allowWrites);
}

/**
 * Lets a command write into a folder that no option names.
 * @throws UserError where another command made it, or one above it
 */
export function allowFolder(folder: NamedPath): void {
  expectApart(folder, []);
  expectNotMade(folder);
  allowWrites(folder.path);
}

function describeOption(option: Command["options"][number]) {
  return { flags: option.flags, long: option.long ?? option.flags, attributeName: option.attributeName() };
}

/** The texts of an option's value, whatever it was parsed to. */
function listTexts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(listTexts) : [];
}

/** @throws UserError for an output that is, or lies within, one of the others, or the folder of another command. */
export function expectApart({ by, path }: NamedPath, others: readonly NamedPath[]): void {
  const { place, above } = resolvePath(path);
  const within = others.find((other) => isWithin(place, resolvePath(other.path).place));
  const owner = within?.path ?? findMadeFolder(above);
  if (owner !== undefined) throw overlap({ by, path }, owner, within && `what ${within.by} names`);
}

/** @throws UserError for a folder that another command made. What makes folders of its own looks itself. */
function expectNotMade(folder: NamedPath): void {
  const { place } = resolvePath(folder.path);
  if (findMadeFolder(place) === place) throw overlap(folder, place);
}

function overlap({ by, path }: NamedPath, owner: string, whose = "what another command made"): UserError {
  return new UserError(
    `Expected ${by} apart from ${whose}, but ${path} is, or lies within, ${owner}. ` +
      "Choose another path; nothing was changed.",
  );
}
