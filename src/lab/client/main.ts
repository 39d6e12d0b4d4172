/// <reference types="@webgpu/types" />
/** The page of the lab: the script that `src/lab/build.ts` bundles. */

import { Lab, type Screen } from "./lab_app.ts";
import { showExercises } from "./screens/exercises_screen.ts";
import { showLadders } from "./screens/ladders_screen.ts";
import { save } from "./screens/save_screen.ts";
import { showSelftest } from "./screens/selftest_screen.ts";
import { step } from "./screens/step_screen.ts";
import { train } from "./screens/train_screen.ts";
import { showUser } from "./screens/user_screen.ts";

/** In the order of their tabs. Another one is a file in screens/ and a line here. */
const screens: readonly Screen[] = [
  { id: "train", title: "Train", mount: train },
  { id: "step", title: "Look inside a step", mount: step },
  { id: "ladders", title: "Ladders", mount: showLadders },
  { id: "exercise", title: "Exercises", mount: showExercises },
  { id: "selftest", title: "Self-test", mount: showSelftest },
  { id: "user", title: "Be the user", mount: showUser },
  { id: "save", title: "Save", mount: save },
];

const root = document.getElementById("lab");
if (root) Object.assign(globalThis, { lab: new Lab(screens, root) }); // for the browser's console
