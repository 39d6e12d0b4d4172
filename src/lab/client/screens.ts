/** The screens, in the order of their tabs. */

import type { Screen } from "./lab.ts";
import { ladders } from "./screens/ladders.ts";
import { save } from "./screens/save.ts";
import { selftest } from "./screens/selftest.ts";
import { step } from "./screens/step.ts";
import { train } from "./screens/train.ts";
import { user } from "./screens/user.ts";

export const screens: readonly Screen[] = [train, step, ladders, selftest, user, save];
