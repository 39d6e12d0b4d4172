/** The lab's worker in Deno, without a page: the same script, asked by the same calls. */

import { makeDemoShop } from "../../src/data/demo_shop.ts";
import { sourceOf } from "../../src/data/log_source.ts";
import { setDriverThreads } from "../../src/host/driver_threads.ts";
import { type CallWorker, Connection } from "../../src/lab/client/connection.ts";
import type { AdapterFacts } from "../../src/lab/client/protocol.ts";
import type { TrainRequest } from "../../src/lab/client/services/train.ts";
import { iterationFlops } from "../../src/train/iteration_work.ts";

interface LabInDeno {
  readonly worker: Worker;
  readonly call: CallWorker;
  /** What its device is, once it is open. */
  adapter(): AdapterFacts | undefined;
}

/**
 * @param script the worker's, a file. @param request what is to be trained, on the demo shop: a software driver gets as many
 * threads as `deno task train` gives it.
 */
export function openWorker(script: string, { model, training }: TrainRequest): LabInDeno {
  setDriverThreads(iterationFlops(sourceOf(makeDemoShop(training.seed).log), { model, training }));
  const worker = new Worker(new URL(`file://${script}`), { type: "module" });
  let adapter: AdapterFacts | undefined;
  const { call } = new Connection(worker, (event) => {
    if (event.name === "device") adapter = event.adapter;
  });
  return { worker, call, adapter: () => adapter };
}
