/** The services that check and race kernels: a script of its own, which the worker loads when one of them is asked for. */

import type { LabWorker } from "./lab_worker.ts";
import { exercisesService } from "./services/exercises.ts";
import { laddersService, selftestService } from "./services/kernels.ts";

/** By name. Another one is a function in services/ and a line here. */
export function kernelServices(worker: LabWorker) {
  return {
    exercises: exercisesService(worker),
    ladders: laddersService(worker),
    selftest: selftestService(worker),
  };
}
