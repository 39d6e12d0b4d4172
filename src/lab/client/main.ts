/// <reference types="@webgpu/types" />
/** The page of the lab: the script that `src/lab/build.ts` bundles. */

import { Lab, type Screen } from "./lab.ts";
import { exercise } from "./screens/exercises.ts";
import { ladders } from "./screens/ladders.ts";
import { save } from "./screens/save.ts";
import { selftest } from "./screens/selftest.ts";
import { step } from "./screens/step.ts";
import { train } from "./screens/train.ts";
import { user } from "./screens/user.ts";

/** In the order of their tabs. Another one is a file in screens/ and a line here. */
const screens: readonly Screen[] = [
  { id: "train", title: "Train", mount: train },
  { id: "step", title: "Look inside a step", mount: step },
  { id: "ladders", title: "Ladders", mount: ladders },
  { id: "exercise", title: "Exercises", mount: exercise },
  { id: "selftest", title: "Self-test", mount: selftest },
  { id: "user", title: "Be the user", mount: user },
  { id: "save", title: "Save", mount: save },
];

const root = document.getElementById("lab");
if (root) Object.assign(globalThis, { lab: new Lab(screens, root) }); // for the browser's console
