/** No command writes over, or into, what it reads or what another command made, and it writes to nothing else than its outputs. */

import type { Command } from "commander";
import { dirname, join, resolve, sep } from "node:path";
import { confineWrites, isWithin } from "../files/write_scope.ts";
import { UserError } from "../user_error.ts";
import {
  BUILD,
  cacheFolder,
  DEFAULT_RUN_FOLDER,
  ONNX,
  OUT_FILE,
  OUT_FOLDER,
  permittedVariable,
  README,
  RESUME,
  SAVE_DIR,
  WRITE_LOG,
} from "./arguments.ts";
import { LAUNCHER_VARIABLE } from "./stop.ts";

/** The options that name what is written. A run that goes on, and the text between the markers of a page, are their own. */
const OUTPUTS: readonly string[] = [OUT_FILE, OUT_FOLDER, SAVE_DIR, WRITE_LOG, ONNX, BUILD];

/** What commands leave in a folder that is theirs, and a word that stands in it. */
const SIGNS = ["config", "seeds", "experiment", "tune", "policy", "manifest", "result"];
const SIGN_WORDS = /"(clickgan|clickgan-dataset|adversarial)"/;

/** A path, and what names it, in words. */
export interface Named {
  readonly by: string;
  readonly path: string;
}

/** Looks at all that a command was given, after it was parsed. @throws UserError as {@link expectApart}. */
export function expectOutputsApart(command: Command): void {
  const outputs: Named[] = [];
  const inputs: Named[] = command.args.map((path) => ({ by: "an argument", path }));
  const resumed: string[] = [];
  for (const { flags, long, attributeName } of command.options.map(optionOf)) {
    if (flags === RESUME || flags === README) {
      resumed.push(...textsOf(command.getOptionValue(attributeName)));
      continue;
    }
    const isOutput = OUTPUTS.includes(flags);
    for (const path of textsOf(command.getOptionValue(attributeName))) {
      (isOutput ? outputs : inputs).push({ by: long, path });
    }
  }
  for (const [k, output] of outputs.entries()) {
    expectApart(output, [
      ...inputs.filter(({ path }) => realPathOf(path) !== undefined),
      ...outputs.toSpliced(k, 1),
    ]);
  }
  if (permittedVariable(LAUNCHER_VARIABLE) === undefined) return; // not a command's process
  const paths = [...outputs.map(({ path }) => path), ...resumed, DEFAULT_RUN_FOLDER];
  confineWrites([...paths, ...[cacheFolder()].filter((path) => path !== undefined)]);
}

function optionOf(option: Command["options"][number]) {
  return { flags: option.flags, long: option.long ?? option.flags, attributeName: option.attributeName() };
}

/** The texts of an option's value, whatever it was parsed to. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** @throws UserError for an output that is, or lies within, one of the others, or the folder of another command. */
export function expectApart({ by, path }: Named, others: readonly Named[]): void {
  const { place, above } = placeOf(path);
  const within = others.find((other) => isWithin(place, placeOf(other.path).place));
  const owner = within?.path ?? ownerOf(above);
  if (owner === undefined) return;
  const whose = within ? `what ${within.by} names` : "what another command made";
  throw new UserError(
    `Expected ${by} apart from ${whose}, but ${path} is, or lies within, ${owner}. ` +
      "Choose another path; nothing was changed.",
  );
}

/** The nearest folder, from this one up, that a command made. */
function ownerOf(folder: string): string | undefined {
  const isOwned = SIGNS.some((name) => {
    try {
      return SIGN_WORDS.test(Deno.readTextFileSync(join(folder, `${name}.json`)));
    } catch {
      return false; // nothing is there, or nothing that this program could read
    }
  });
  if (isOwned) return folder;
  return dirname(folder) === folder ? undefined : ownerOf(dirname(folder));
}

/** Where something stands, or would stand, without links, and the nearest folder above it that is there. */
function placeOf(path: string): { place: string; above: string } {
  let [place, above] = ["", ""];
  let isReal = true;
  for (const part of resolve(path).split(sep)) {
    if (isReal) above = place;
    place = place === "" ? part + sep : join(place, part);
    const real: string | undefined = isReal ? realPathOf(place) : undefined;
    isReal = real !== undefined;
    place = real ?? place;
  }
  return { place, above };
}

function realPathOf(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined; // nothing is there, or nothing that can be looked at
  }
}
