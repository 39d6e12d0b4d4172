/** Checks output paths: a command must not overwrite its inputs or another command's output. */

import type { Command } from "commander";
import { findMadeFolder } from "../files/json_file.ts";
import { allowWrites, isWithin, resolvePath, tryRealPath } from "../files/write_scope.ts";
import { UserError } from "../user_error.ts";
import { BUILD, CHANGED, DEFAULT_RUN_FOLDER, OUTPUTS } from "./arguments.ts";

/** A path, and the name of the option or argument whose value is the path. */
export interface NamedPath {
  readonly by: string;
  readonly path: string;
}

/** Checks the output paths in a command's parsed options. @throws UserError as {@link expectApart}. */
export function expectOutputsApart(command: Command): void {
  const outputs: NamedPath[] = [];
  const inputs: NamedPath[] = command.args.map((path) => ({ by: "an argument", path }));
  const resumed: string[] = [];
  for (const option of command.options) {
    const { flags, long: by = flags } = option;
    for (const path of listTexts(command.getOptionValue(option.attributeName()))) {
      if (flags === BUILD) expectNotMade({ by, path });
      if (CHANGED.includes(flags)) resumed.push(path);
      else (OUTPUTS.includes(flags) ? outputs : inputs).push({ by, path });
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

/** Allows writes to a folder. @throws UserError if it is another command's output, or inside of one */
export function allowFolder(folder: NamedPath): void {
  expectApart(folder, []);
  expectNotMade(folder);
  allowWrites(folder.path);
}

function listTexts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(listTexts) : [];
}

/** @throws UserError if `path` equals or is inside of one of `others`, or is in another command's output. */
export function expectApart({ by, path }: NamedPath, others: readonly NamedPath[]): void {
  const { place, above } = resolvePath(path);
  const within = others.find((other) => isWithin(place, resolvePath(other.path).place));
  const owner = within?.path ?? findMadeFolder(above);
  if (owner !== undefined) throw overlap({ by, path }, owner, within && `the path of ${within.by}`);
}

/** @throws UserError if another command wrote the folder. */
function expectNotMade(folder: NamedPath): void {
  const { place } = resolvePath(folder.path);
  if (findMadeFolder(place) === place) throw overlap(folder, place);
}

function overlap({ by, path }: NamedPath, owner: string, whose = "the output of another command"): UserError {
  return new UserError(
    `Expected ${by} outside ${whose} (${owner}), got ${path}. Choose another path; nothing was changed.`,
  );
}
