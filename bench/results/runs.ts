/** Runs the trainings of tables of results. Trainings are stored by name, so that an interrupted bench can continue. */

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
  /** Name of the table. In the page, the table is between the markers of "bench results NAME". */
  readonly name: string;
  /** Content of the table, for the command's help. */
  readonly about: string;
  make(runs: ResultRuns): Promise<string>;
}

/** Formats a number with three decimals and without a leading zero, e.g. ".873". */
export function formatFixed(value: number): string {
  return value.toFixed(3).replace(/^(-?)0\./, "$1.");
}

/** Formats mean and standard deviation as ".873 +- .012", or as ".873" if the deviation is NaN (a single value). */
export function meanWithSd({ mean, sd }: { mean: number; sd: number }): string {
  return Number.isNaN(sd) ? formatFixed(mean) : `${formatFixed(mean)} +- ${formatFixed(sd)}`;
}

const FORMAT = "clickgan-kept-run";
/** Schema of a run's state: `made` is the command of a finished run, or null while the command runs. */
const doneSchema = v.strictObject({ format: v.literal(FORMAT), made: v.nullable(v.array(v.string())) });

/** Trains models and policies, and runs commands on the results. */
export interface ResultRuns {
  readonly folder: string;
  /** Folder with the paper's files yelp.txt and rsc.txt. */
  readonly papers: string;
  readonly logs?: string;
  /** Runs a command with --save-dir, unless an earlier run of equal arguments made the folder. @returns its path */
  trained(name: string, command: string, args: readonly string[]): Promise<string>;
  /** Runs a command and returns the JSON that it prints. @param args - arguments except --json and --out. */
  json(command: string, args: readonly string[]): Promise<unknown>;
}

/** Runs clickgan's commands, whose results are stored in a folder. */
export class FolderRuns implements ResultRuns {
  readonly #jobs: JobSlots;
  readonly #asked = new Map<string, Promise<string>>();

  /** @param jobs - largest number of independent trainings that run at the same time */
  constructor(
    readonly folder: string,
    readonly papers: string,
    readonly logs?: string,
    jobs = 1,
  ) {
    this.#jobs = new JobSlots(jobs, jobs);
  }

  trained: ResultRuns["trained"] = (name, command, args) => {
    const key = JSON.stringify([name, command, ...args]);
    const known = this.#asked.get(key) ?? this.#jobs.run(() => this.#train(name, command, args));
    this.#asked.set(key, known);
    return known;
  };

  async #train(name: string, command: string, args: readonly string[]): Promise<string> {
    const words = [command, ...args];
    const path = `${this.folder}/${name}`;
    const done = `${path}.done.json`;
    const before = await readJson(done, doneSchema);
    if (JSON.stringify(before?.made) === JSON.stringify(words)) return path;
    if (before === undefined && await pathExists(path)) {
      throw new UserError(
        `Expected no ${path} without ${done}, found one. Move it away, or choose another --runs.`,
      );
    }
    console.error(`${name}: ${words.join(" ")}`);
    await makeFolder(this.folder);
    await writeJson(done, { format: FORMAT, made: null }); // marks the folder as made by this bench
    await Deno.remove(requireWritable(path), { recursive: true }).catch(expectNotFound);
    await this.#run(command, [...args, "--save-dir", path], name);
    await writeJson(done, { format: FORMAT, made: words });
    return path;
  }

  /** Waits until all runs have ended, even if a run has failed. */
  async waitForAll(): Promise<void> {
    await Promise.allSettled(this.#asked.values());
  }

  async json(command: string, args: readonly string[]): Promise<unknown> {
    const words = [...args, "--json", "--out", `${this.folder}/page.html`];
    console.error(`${command} ${words.join(" ")}`);
    return JSON.parse(await this.#jobs.run(() => this.#run(command, words)));
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
