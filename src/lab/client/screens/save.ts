/** Takes what was measured away as one file. */

import { button, element, saveFile } from "../elements.ts";
import type { Lab, Screen } from "../lab.ts";

export const save: Screen = {
  id: "save",
  title: "Save",
  mount(root, lab) {
    const list = element("ul");
    const away = button("Save as JSON", () => saveFile(nameOf(lab), textOf(lab), "application/json"));
    const tell = () => {
      away.disabled = lab.kept.size === 0;
      const names = [...lab.kept.keys()].map((name) => element("li", {}, name));
      list.replaceChildren(...(names.length > 0 ? names : [element("li", {}, "Nothing was measured yet.")]));
    };
    root.append(
      element(
        "p",
        {},
        "What the other screens have measured on this adapter since the page was opened. It leaves this page only by this " +
          "button, as a file that deno task bench --compare reads.",
      ),
      list,
      away,
    );
    lab.onKept(tell);
    tell();
  },
};

function nameOf({ device }: Lab): string {
  const adapter = device.kind === "open" ? device.adapter.description : "no adapter";
  return `clickgan-lab-${adapter.replace(/[^\w]+/g, "-").toLowerCase().slice(0, 40)}.json`;
}

function textOf({ device, kept }: Lab): string {
  const adapter = device.kind === "open" ? device.adapter : null;
  const when = new Date().toISOString();
  return JSON.stringify(
    { format: "clickgan-lab", version: 1, when, adapter, ...Object.fromEntries(kept) },
    null,
    2,
  );
}
