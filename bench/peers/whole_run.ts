/** A whole training from the start of the process to the test table: clickgan's command and the same in PyTorch. */

import { UserError } from "../../src/user_error.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import type { Cells } from "../output.ts";
import { inFolder } from "../study.ts";
import { type Command, peerEnvironment } from "./peer.ts";
import { NO_TORCH, type Torch, torchVariants } from "./roster.ts";

export interface WholeRunOptions {
  readonly data: string | undefined;
  readonly torches: readonly Torch[];
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** Seconds that each took in each round. What each ended with is said after its first. */
export async function wholeRun({ data, torches, rounds, signal, say }: WholeRunOptions): Promise<Cells> {
  if (data === undefined) {
    throw new UserError("Expected --data with --whole-run: a click log in the paper's layout.");
  }
  const script = (path: string) => new URL(path, import.meta.url).pathname;
  if (torches.length === 0) say(NO_TORCH);
  return await inFolder("peers", async (folder) => {
    const train = (round: number): Command => ({
      program: Deno.execPath(),
      args: [
        ...[
          "run",
          ...DENO_FLAGS,
          "--allow-run",
          "--allow-sys=uid",
          script("../../src/cli/launch.ts"),
          "train",
        ],
        ...["--data", data, "--counts", "none", "--seed", "1", "--no-report", "--no-calibration"],
        ...["--save-dir", `${folder}/${round}`],
      ],
      environment: GPU_ENVIRONMENT,
    });
    const others = torches.flatMap(({ python, name }) =>
      torchVariants().map(({ settings, threads, environment }) => {
        const args = [script("torch_whole_run.py"), data, String(threads)];
        return {
          name: `${name}, best (${settings})`,
          command: () => ({ program: python, args, environment }),
        };
      })
    );
    const seconds = new Map<string, number[]>();
    for (let round = 1; round <= rounds; round++) {
      for (const { name, command } of [{ name: "clickgan", command: train }, ...others]) {
        if (signal.aborted) break;
        say(`round ${round} of ${rounds}: ${name}`);
        const took = await runToEnd(command(round), (text) => {
          if (round === 1) say(text);
        });
        seconds.set(name, [...seconds.get(name) ?? [], took]);
      }
    }
    return {
      head: ["seconds", ...Array.from({ length: rounds }, (_, k) => `round ${k + 1}`)],
      rows: Array.from(seconds, ([name, took]) => [name, ...took.map((s) => s.toFixed(1))]),
    };
  });
}

/** @returns seconds that it took. @throws UserError when it fails. */
async function runToEnd(
  { program, args, environment }: Command,
  say: (text: string) => void,
): Promise<number> {
  const began = performance.now();
  const command = new Deno.Command(program, {
    args: [...args],
    env: peerEnvironment(environment),
    clearEnv: true,
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const took = (performance.now() - began) / 1000;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code !== 0) throw new UserError(`${program} ended with exit code ${code}: ${text(stderr)}`);
  say(text(stdout));
  return took;
}
