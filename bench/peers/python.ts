/** Finds the Pythons that have PyTorch, and asks each what it has. */

import { Option } from "commander";
import * as v from "../../src/schema.ts";
import { UserError } from "../../src/user_error.ts";

const CANDIDATES = ["python3", "/usr/bin/python3"];

/** A PyTorch to compare with. */
export interface Torch {
  /** The program that can import it. */
  readonly python: string;
  /** By version and BLAS, such as "PyTorch 2.6.0 OpenBLAS": no other of the run has it. */
  readonly name: string;
  /** What it is made of, in more words. */
  readonly made: string;
  /** Whether it has a card to compute on. */
  readonly card: boolean;
}

/** The option that names Pythons for {@link findTorches}: nothing for the usual ones. */
export function pythonOption(): Option {
  return new Option("--python <path>", "a Python that has torch; may be repeated, to compare with several")
    .argParser((path: string, before: readonly string[]) => [...before, path])
    .default([], `each of ${CANDIDATES.join(", ")} that has it`);
}

/**
 * Each PyTorch once, though two programs may have it.
 * @param given programs of the command line; nothing for the usual ones.
 * @throws UserError where one that was given has no torch.
 */
export async function findTorches(given: readonly string[]): Promise<Torch[]> {
  const found = new Map<string, Torch>();
  const named = new Map<string, number>();
  for (const python of given.length > 0 ? given : CANDIDATES) {
    const torch = await ask(python);
    if (torch === undefined && given.length > 0) {
      throw new UserError(
        `Expected --python to be a Python that has torch, but ${python} -c "import torch" fails.`,
      );
    }
    if (torch === undefined || found.has(torch.file)) continue;
    const name = `PyTorch ${torch.version} ${torch.blas}`;
    const number = (named.get(name) ?? 0) + 1;
    named.set(name, number);
    const { made, card } = torch;
    found.set(torch.file, { python, name: number === 1 ? name : `${name} no. ${number}`, made, card });
  }
  return [...found.values()];
}

export const NO_TORCH = `no Python with torch was found (${CANDIDATES.join(", ")}): name one with --python`;

/** Why there is nothing of a card. */
export const NO_CARD = "no card for PyTorch: torch.cuda.is_available() is false";

const answerSchema = v.object({
  file: v.string(),
  version: v.string(),
  blas: v.string(),
  made: v.string(),
  card: v.boolean(),
});

/** What torch_found.py says; nothing where there is no such program, or it has no torch. */
async function ask(program: string): Promise<v.InferOutput<typeof answerSchema> | undefined> {
  const script = new URL("torch_found.py", import.meta.url).pathname;
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(program, { args: ["-B", script], stderr: "null" }).output();
  } catch {
    return undefined; // no such program
  }
  return output.success
    ? v.parse(answerSchema, JSON.parse(new TextDecoder().decode(output.stdout)))
    : undefined;
}
