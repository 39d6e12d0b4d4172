/** Second starts in one process for each command, for `faults_test.ts`; `deno task test:special faults` gives each its own. */

import type { CommandName, CommandResult } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { environment } from "./process.ts";
import { scenarios } from "./scenarios.ts";

/** One after another, each folder in its turn at the place that the process may write to. */
export class SecondStarts implements AsyncDisposable {
  readonly #series = new Map<CommandName, CommandSeries>();
  #root: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  run(folder: string, command: CommandName, args: readonly string[]): Promise<CommandResult> {
    const next = this.#last.then(() => this.#run(folder, command, args));
    this.#last = next.catch(() => {});
    return next;
  }

  async #run(folder: string, command: CommandName, args: readonly string[]): Promise<CommandResult> {
    this.#root ??= await Deno.makeTempDir({ prefix: "clickgan-again-" });
    const place = `${this.#root}/place`;
    await Deno.rename(folder, place);
    try {
      let series = this.#series.get(command);
      if (series === undefined) {
        const like = scenarios.filter((one) => one.command === command).map((one) => one.args);
        series = new CommandSeries(command, like, {
          cwd: place,
          env: await environment(place),
          asGiven: true,
        });
        this.#series.set(command, series);
      }
      return await series.run(args);
    } finally {
      await Deno.rename(place, folder);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const series of this.#series.values()) await series[Symbol.asyncDispose]();
    if (this.#root !== undefined) await Deno.remove(this.#root, { recursive: true });
  }
}
