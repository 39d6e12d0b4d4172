/** Models that `train` trains with several seeds, and their test figures. */

import type { Runs } from "./runs.ts";
import { type TestFigures, testFiguresOfSeeds } from "./test_figures.ts";

export interface TrainedModels {
  /** A file of the paper's, or a made-up shop. */
  readonly data: "yelp" | "rsc" | "demo";
  /** Of `train`, joined by spaces; the paper's model, without counts, if they do not say otherwise. */
  readonly options: string;
  /** 1 to so many. */
  readonly seeds: number;
}

/** The same models are trained once, whichever tables ask for them. */
export async function figuresOf(runs: Runs, { data, options, seeds }: TrainedModels): Promise<TestFigures[]> {
  const given = options.split(" ").filter((word) => word !== "");
  const words = given.includes("--counts") ? given : ["--counts", "none", ...given];
  const name = [data, ...words.map((word) => word.replace(/^--/, "")), `${seeds}-seeds`].join("-");
  const folder = await runs.trained(name, "train", [
    ...[
      "--data",
      data === "demo" ? data : `${runs.papers}/${data}.txt`,
      "--seeds",
      String(seeds),
      "--no-report",
    ],
    ...words,
  ]);
  return await testFiguresOfSeeds(folder, seeds);
}
