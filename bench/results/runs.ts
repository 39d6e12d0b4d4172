/** Tables of results, and the trainings that they are made of. Each is kept under a name, so that the program may be stopped and begun again. */

import type { TaskName } from "../../src/cli/launch.ts";
import * as v from "../../src/schema.ts";
import { makeFolder } from "../../src/files/atomic_write.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { requireWritable } from "../../src/files/write_scope.ts";
import { UserError } from "../../src/user_error.ts";
import { readJson, writeJson } from "../../src/files/json_file.ts";
import { JobSlots } from "../../src/cli/jobs.ts";
import { runCommand } from "../study.ts";

export interface ResultTable {
  /** The page's markers are "bench results NAME". */
  readonly name: string;
  /** As the command's help has it: "the best held-out likelihood on yelp and rsc". */
  readonly about: string;
  /** Markdown. */
  make(runs: ResultRuns): Promise<string>;
}

/** 0.873 as .873. */
export function formatFixed(value: number): string {
  return value.toFixed(3).replace(/^(-?)0\./, "$1.");
}

/** .873 +- .012; without a spread for one value alone. */
export function meanWithSd({ mean, sd }: { mean: number; sd: number }): string {
  return Number.isNaN(sd) ? formatFixed(mean) : `${formatFixed(mean)} +- ${formatFixed(sd)}`;
}

const FORMAT = "clickgan-kept-run";
/** By which command a run was made; null while it is made. */
const doneSchema = v.strictObject({ format: v.literal(FORMAT), made: v.nullable(v.array(v.string())) });

/** Trains models and policies, and asks commands about them. */
export interface ResultRuns {
  /** Where all is kept. */
  readonly folder: string;
  /** Folder of the paper's yelp.txt and rsc.txt. */
  readonly papers: string;
  /** Folder of prepared sets. */
  readonly logs?: string;
  /**
   * Trains, unless it is done already.
   * @param name of the folder
   * @param command and its first words, such as "policy train"
   * @param args without the folder
   * @param option that names the folder
   * @returns the folder
   */
  trained(
    name: string,
    command: string,
    args: readonly string[],
    option?: "--save-dir" | "--out",
  ): Promise<string>;
  /** What a command prints. */
  printed(command: string, args: readonly string[]): Promise<string>;
  /** What a command prints as JSON. @param args without --json and --out. */
  json(command: string, args: readonly string[]): Promise<unknown>;
}

/** By clickgan's commands, in a folder. */
export class FolderRuns implements ResultRuns {
  readonly #jobs: JobSlots;
  /** Asked for, and under way or there. */
  readonly #asked = new Map<string, Promise<string>>();

  /** @param jobs trainings side by side, as far as a table does not need one for the next */
  constructor(readonly folder: string, readonly papers: string, readonly logs?: string, jobs = 1) {
    this.#jobs = new JobSlots(jobs, jobs);
  }

  trained: ResultRuns["trained"] = (name, command, args, option = "--save-dir") => {
    const key = JSON.stringify([name, command, ...args]);
    const known = this.#asked.get(key) ?? this.#jobs.inPlace(() => this.#train(name, command, args, option));
    this.#asked.set(key, known);
    return known;
  };

  async #train(name: string, command: string, args: readonly string[], option: string): Promise<string> {
    const path = `${this.folder}/${name}`;
    const done = `${path}.done.json`;
    const asked = [command, ...args];
    const before = await readJson(done, doneSchema);
    if (JSON.stringify(before?.made) === JSON.stringify(asked)) return path;
    if (before === undefined && await pathExists(path)) {
      throw new UserError(
        `Expected no ${path}, as no ${done} says what it is. Move it away, or choose another --runs.`,
      );
    }
    console.error(`${name}: ${asked.join(" ")}`);
    await makeFolder(this.folder);
    await writeJson(done, { format: FORMAT, made: null }); // from now on what is there is this program's
    await Deno.remove(requireWritable(path), { recursive: true }).catch(expectNotFound);
    await this.#run(command, [...args, option, path], name);
    await writeJson(done, { format: FORMAT, made: asked });
    return path;
  }

  /** What is under way is done to its end, also where something else failed. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#asked.values());
  }

  printed(command: string, args: readonly string[]): Promise<string> {
    return this.#jobs.inPlace(() => {
      console.error(`${command} ${args.join(" ")}`);
      return this.#run(command, args);
    });
  }

  async json(command: string, args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.printed(command, [...args, "--json", "--out", `${this.folder}/page.html`]));
  }

  #run(command: string, args: readonly string[], name = command): Promise<string> {
    const [first = "", ...words] = command.split(" ");
    const note = (line: string) => console.error(`${name}: ${line}`);
    const beside = this.#jobs.count > 1 ? { cores: this.#jobs.cores(), note } : undefined;
    return runCommand(first as TaskName, [...words, ...args], beside);
  }
}

function expectNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
