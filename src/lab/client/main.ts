/// <reference types="@webgpu/types" />
/** Entry point of the lab's page; `src/lab/build.ts` bundles it. */

import { Lab, type Screen } from "./lab_app.ts";
import { showCourse } from "./screens/course_screen.ts";
import { showExercises } from "./screens/exercises_screen.ts";
import { showLadders } from "./screens/ladders_screen.ts";
import { showSave } from "./screens/save_screen.ts";
import { showScratchpad } from "./screens/scratchpad_screen.ts";
import { showSelftest } from "./screens/selftest_screen.ts";
import { showStep } from "./screens/step_screen.ts";
import { showTrain } from "./screens/train_screen.ts";
import { showUser } from "./screens/user_screen.ts";

/** Screens in the order of their tabs. For a new screen, write a file in screens/ and add a line here. */
const screens: readonly Screen[] = [
  { id: "train", title: "Train", chapter: "1-softmax", mount: showTrain },
  { id: "step", title: "Look inside a step", chapter: "one-training-step", mount: showStep },
  { id: "ladders", title: "Ladders", chapter: "how-a-step-is-timed", mount: showLadders },
  { id: "course", title: "Course", mount: showCourse },
  { id: "exercise", title: "Exercises", mount: showExercises },
  { id: "scratchpad", title: "Scratchpad", chapter: "a-kernel-of-your-own", mount: showScratchpad },
  {
    id: "selftest",
    title: "Self-test",
    chapter: "how-do-you-know-that-a-kernel-is-right",
    mount: showSelftest,
  },
  { id: "user", title: "Be the user", chapter: "3-lstm", mount: showUser },
  { id: "save", title: "Save", mount: showSave },
];

const root = document.getElementById("lab");
if (root) Object.assign(globalThis, { lab: new Lab(screens, root) }); // for use in the browser's console
