/** The screens, in the order of their tabs. Train is there with the page; the others come when one of them is opened. */

import type { Screen } from "./lab.ts";
import { loadScreens } from "./page_scripts.ts";
import { train } from "./screens/train.ts";

export const screens: readonly Screen[] = [
  train,
  later("step", "Look inside a step"),
  later("ladders", "Ladders"),
  later("selftest", "Self-test"),
  later("user", "Be the user"),
  later("save", "Save"),
];

/** @param id its name in other_screens.ts, too */
function later(id: keyof typeof import("./other_screens.ts"), title: string): Screen {
  return { id, title, mount: async (root, lab) => (await loadScreens())[id].mount(root, lab) };
}
