/** Finds a Python that has PyTorch, and asks it for a card. */

import { UserError } from "../../src/user_error.ts";

const CANDIDATES = ["python3", "/usr/bin/python3"];

/** @param given the one to take, of the command line. @returns undefined where there is none. */
export async function findTorch(given: string | undefined): Promise<string | undefined> {
  for (const program of given === undefined ? CANDIDATES : [given]) {
    if (await hasTorch(program)) return program;
  }
  if (given === undefined) return undefined;
  throw new UserError(
    `Expected --python to be a Python that has torch, but ${given} -c "import torch" fails.`,
  );
}

export const NO_TORCH = `no Python with torch was found (${CANDIDATES.join(", ")}): name one with --python`;

/** Why there is nothing of a card. */
export const NO_CARD = "no card for PyTorch: torch.cuda.is_available() is false";

/** Whether PyTorch has a card to compute on. @param python that has torch; undefined for none. */
export async function hasCard(python: string | undefined): Promise<boolean> {
  return python !== undefined &&
    await succeeds(python, "import sys, torch; sys.exit(not torch.cuda.is_available())");
}

async function hasTorch(program: string): Promise<boolean> {
  return await succeeds(program, "import torch");
}

async function succeeds(program: string, script: string): Promise<boolean> {
  try {
    const command = new Deno.Command(program, {
      args: ["-c", script],
      stdout: "null",
      stderr: "null",
    });
    return (await command.output()).success;
  } catch {
    return false; // no such program
  }
}
