/** The algorithms. Another one is a file, a name in config.ts and a line here. */

import { cdqn } from "./cdqn.ts";
import type { AlgorithmName } from "./config.ts";
import { gdqn } from "./gdqn.ts";
import type { MakeLearner } from "./learner.ts";
import { slateq } from "./slateq.ts";

export const algorithms: Readonly<Record<AlgorithmName, MakeLearner>> = { cdqn, gdqn, slateq };
