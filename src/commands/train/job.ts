/** Program of a child process that trains one run. `run_jobs.ts` starts it for commands with several runs. */

import { openGpu } from "../../gpu/host/open_gpu.ts";
import * as v from "../../schema.ts";
import { runMain } from "../../cli/run_main.ts";
import { stopOnSignals } from "../../cli/stop.ts";
import { estimateIterationFlops } from "../../train/iteration_flops.ts";
import { DivergedError } from "../../train/training_results.ts";
import { allowWrites } from "../../files/write_scope.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";
import type { TrainingStage } from "../../run/stages.ts";
import { encodeMessage, type JobMessage, requestSchema } from "./run_jobs.ts";
import { continueRun, hasBegun, reopen, type StageDisplay } from "./run_stages.ts";

/** Minimum time, in milliseconds, between two progress reports. */
const TELL_MS = 200;

async function main(): Promise<void> {
  const { signal } = stopOnSignals();
  const { path, config, untested } = v.parse(requestSchema, await new Response(Deno.stdin.readable).json());
  allowWrites(path);
  using _folder = OwnedFolder.open(path);
  const { data, init } = await reopen(config, !await hasBegun(path));
  using gpu = await openGpu({ stepFlops: estimateIterationFlops(data.source, config) });
  try {
    const run = { gpu, data, init, path, config, untested, signal };
    send({
      kind: "ended",
      results: await continueRun(run, { signal, onStop: undefined }, () => {}, createDisplay),
    });
    gpu.check();
  } catch (error) {
    if (error instanceof DivergedError) {
      send({ kind: "diverged", iteration: error.iteration, message: error.message });
    }
    throw error;
  }
}

function send(message: JobMessage): void {
  console.log(encodeMessage(message));
}

function createDisplay({ name: stage }: TrainingStage): StageDisplay {
  let last = -Infinity;
  return {
    events: {
      onStep(result) {
        if (performance.now() - last < TELL_MS) return;
        last = performance.now();
        send({ kind: "step", stage, result });
      },
      onValidation: (result) => send({ kind: "validation", stage, result }),
    },
    note: console.error,
    stop: () => {},
  };
}

await runMain(main);
