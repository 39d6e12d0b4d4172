/** "Save": all that was measured as one file, with the adapter's name. */

import { adapterName, contentsOf, fileName, measuredIn, savedReport } from "../../saved.ts";
import { button, element, saveFile } from "../elements.ts";
import type { Lab } from "../lab.ts";

export function save(root: HTMLElement, lab: Lab): void {
  const name = element("input", {
    id: "save-name",
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
  });
  const list = element("ul");
  const away = button("Save as JSON", () => {
    if (lab.device.kind !== "open") return;
    const { adapter } = lab.device;
    const report = savedReport(measuredIn(lab.kept), {
      adapter,
      name: name.value,
      cores: navigator.hardwareConcurrency,
      timestamps: adapter.hasTimestamps,
      date: new Date(),
      version,
    });
    saveFile(fileName(report), JSON.stringify(report, null, 1) + "\n", "application/json");
  }, { class: "main" });
  const tell = () => {
    const contents = contentsOf(measuredIn(lab.kept));
    away.disabled = contents.length === 0 || lab.device.kind !== "open";
    const lines = contents.length > 0 ? contents : [
      "Nothing yet: train a model, measure a step, climb a ladder or run the self-test.",
    ];
    list.replaceChildren(...lines.map((line) => element("li", {}, line)));
  };
  root.append(
    element(
      "p",
      {},
      "What the other screens have measured on this adapter since the page was opened. It leaves the page only by this " +
        "button, as a file that ",
      element("code", {}, "deno task bench --compare FILE"),
      " reads.",
    ),
    element(
      "div",
      { class: "card" },
      element("h3", {}, "In the file"),
      list,
      element("div", { class: "buttons" }, element("label", {}, "Name of the adapter", name), away),
      element(
        "p",
        { class: "about" },
        "Browsers often hide which model of GPU it is: write it there if you know it.",
      ),
    ),
  );
  lab.onDevice((state) => {
    if (state.kind === "open") name.placeholder = adapterName(state.adapter);
    tell();
  });
  lab.onKept(tell);
}

declare const CLICKGAN_VERSION: string;

export const version: string = CLICKGAN_VERSION;
