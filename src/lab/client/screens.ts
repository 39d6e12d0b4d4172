/** The screens, in the order of their tabs. */

import type { Screen } from "./lab.ts";
import { save } from "./screens/save.ts";
import { train } from "./screens/train.ts";
import { user } from "./screens/user.ts";

export const screens: readonly Screen[] = [train, user, save];
