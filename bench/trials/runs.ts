/** Runs the trainings of the trials. Stored trainings let an interrupted bench continue. */

import * as v from "../../src/schema.ts";
import { makeFolder } from "../../src/files/atomic_write.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { requireWritable } from "../../src/files/write_scope.ts";
import { UserError } from "../../src/user_error.ts";
import { readJson, writeJson } from "../../src/files/json_file.ts";
import { JobSlots } from "../../src/cli/jobs.ts";
import { runCommand } from "../study.ts";

const FORMAT = "clickgan-kept-run";
/** State of a run. `made`: arguments of the finished command; null if the command has not finished. */
const doneSchema = v.strictObject({ format: v.literal(FORMAT), made: v.nullable(v.array(v.string())) });

/** Function that creates and fills a folder. @param cores - number of cores that may be used */
type Make = (path: string, cores: number) => Promise<unknown>;

export interface LightgbmPython {
  readonly program: string;
  /** Versions of the Python packages, as JSON. */
  readonly versions: string;
}

/** Runs clickgan's commands, and stores the results of each command in a folder. */
export class TrialRuns {
  readonly #jobs: JobSlots;
  readonly #asked = new Map<string, Promise<string>>();

  /**
   * @param papers - folder of logs in the layout of Chen et al. 2019 @param logs - output of `bench logs`
   * @param jobs - maximum number of trainings that run at the same time @param python - Python with
   * LightGBM; if absent, no LightGBM models are trained
   */
  constructor(
    readonly folder: string,
    readonly papers: string,
    readonly logs?: string,
    jobs = 1,
    readonly python?: LightgbmPython,
  ) {
    this.#jobs = new JobSlots(jobs, jobs);
  }

  /** Runs `train`, unless an earlier run has trained with equal options. @returns the run's folder */
  trained(name: string, options: readonly string[]): Promise<string> {
    return this.kept(name, ["train", ...options], async (path) => {
      const note = (line: string) => console.error(`${name}: ${line}`);
      await runCommand("train", [...options, "--save-dir", path], this.#jobs.cores(), note);
    });
  }

  /** Calls `make` to fill a folder, unless a run with equal `words` has filled it. @returns the path */
  kept(name: string, words: readonly string[], make: Make): Promise<string> {
    const key = JSON.stringify([name, ...words]);
    const known = this.#asked.get(key) ?? this.#jobs.run(() => this.#make(name, words, make));
    this.#asked.set(key, known);
    return known;
  }

  async #make(name: string, words: readonly string[], make: Make): Promise<string> {
    const path = `${this.folder}/${name}`;
    const done = `${path}.done.json`;
    const before = await readJson(done, doneSchema);
    if (JSON.stringify(before?.made) === JSON.stringify(words)) return path;
    if (before === undefined && await pathExists(path)) {
      throw new UserError(
        `${path} is not from this bench: found no ${done}. Move ${path}, or set another --runs.`,
      );
    }
    console.error(`${name}: ${words.join(" ")}`);
    await makeFolder(this.folder);
    await writeJson(done, { format: FORMAT, made: null }); // marks the folder as made by this bench
    await Deno.remove(requireWritable(path), { recursive: true }).catch(expectNotFound);
    await make(path, Math.max(1, Math.floor(navigator.hardwareConcurrency / this.#jobs.count)));
    await writeJson(done, { format: FORMAT, made: words });
    return path;
  }

  /** Waits until all runs have ended, even if a run has failed. */
  async waitForAll(): Promise<void> {
    await Promise.allSettled(this.#asked.values());
  }
}

function expectNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
