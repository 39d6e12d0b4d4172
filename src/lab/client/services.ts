/** The services of the worker, by name. Another one is a file in services/ and a line here. */

import { adapterService } from "./services/adapter.ts";
import { laddersService } from "./services/ladders.ts";
import { stepService } from "./services/step.ts";
import { selftestService } from "./services/selftest.ts";
import { trainService } from "./services/train.ts";
import { userService } from "./services/user.ts";
import type { LabWorker } from "./lab_worker.ts";

export function servicesOf(worker: LabWorker) {
  return {
    adapter: adapterService(worker),
    ladders: laddersService(worker),
    step: stepService(worker),
    selftest: selftestService(worker),
    train: trainService(worker),
    user: userService(worker),
  };
}

export type Services = ReturnType<typeof servicesOf>;
