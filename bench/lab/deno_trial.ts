/**
 * The same training by the same worker in Deno: `deno run ... deno_trial.ts FOLDER SECONDS REQUEST`, a JSON file with what the
 * page has asked for. Prints a trial as JSON.
 */

import { runMain } from "../../src/cli/fail.ts";
import { makeDemoShop } from "../../src/data/demo_shop.ts";
import { sourceOf } from "../../src/data/log_source.ts";
import { stagesConfigOf } from "../../src/run/options/train.ts";
import { LabInDeno } from "./deno_worker.ts";
import { Recorder } from "./recorder.ts";
import { WHOLE_WORKER } from "./trial_files.ts";

const [folder = "", seconds = "", file = ""] = Deno.args;

await runMain(async () => {
  const request = JSON.parse(await Deno.readTextFile(file));
  const lab = new LabInDeno(
    `${folder}/${WHOLE_WORKER}`,
    stagesConfigOf(request.options, { source: sourceOf(makeDemoShop(request.options.seed).log) }),
  );
  const recorder = new Recorder(lab.worker);
  await lab.call("adapter", "open", undefined);
  const stop = new AbortController();
  await recorder.begin(Number(seconds), () => stop.abort());
  await lab.call("train", "start", request, { signal: stop.signal });
  const recorded = await recorder.recorded();
  const waits = await recorder.waits();
  console.log(JSON.stringify({ ...recorded, waits, frames: [], runtime: navigator.userAgent }));
  lab.worker.terminate();
});
