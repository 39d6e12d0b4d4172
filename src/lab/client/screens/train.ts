/** Train: a model learns in front of the reader, and is taken away or brought back. */

import { element } from "../elements.ts";
import type { Screen } from "../lab.ts";
import { TrainView } from "./train/train_view.ts";

export const train: Screen = {
  id: "train",
  title: "Train",
  mount(root, lab) {
    const view = new TrainView(lab);
    root.append(
      element(
        "p",
        { class: "lead" },
        "A model learns whom it is looking at from what they were shown and what they clicked. It is the trainer of this " +
          "repository with its kernels, on your GPU. Nothing leaves this tab.",
      ),
      view.element,
    );
  },
};
