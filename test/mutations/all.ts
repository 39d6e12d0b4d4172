/** All mutations, at least half of them in kernels. */

import { batchKernels } from "./kernels_batch.ts";
import { encoderKernels } from "./kernels_encoders.ts";
import { layerKernels } from "./kernels_layers.ts";
import { learnKernels } from "./kernels_learn.ts";
import { lossKernels } from "./kernels_losses.ts";
import { simulateKernels } from "./kernels_simulate.ts";
import { slateKernels } from "./kernels_slates.ts";
import type { Mutation } from "./mutation.ts";
import { compareMutations } from "./src_compare.ts";
import { dataMutations } from "./src_data.ts";
import { hostMutations } from "./src_host.ts";
import { opMutations } from "./src_ops.ts";
import { simulateMutations } from "./src_simulate.ts";
import { trainMutations } from "./src_train.ts";
import { useMutations } from "./src_use.ts";

export const mutations: readonly Mutation[] = [
  ...lossKernels,
  ...layerKernels,
  ...encoderKernels,
  ...batchKernels,
  ...learnKernels,
  ...slateKernels,
  ...simulateKernels,
  ...opMutations,
  ...trainMutations,
  ...dataMutations,
  ...useMutations,
  ...simulateMutations,
  ...hostMutations,
  ...compareMutations,
];
