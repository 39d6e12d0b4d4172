/** Screen "Save": downloads all measurements and the adapter's name as one file. */

import { markup } from "../../../report/html.ts";
import {
  buildSavedReport,
  collectMeasurements,
  formatAdapterName,
  formatFileName,
  listReportContents,
} from "../../saved_report.ts";
import { button, dom, element, fill } from "../elements.ts";
import { saveFile } from "../../../report/client/save_file.ts";
import type { Lab } from "../lab_app.ts";
import { readPageData } from "../connection.ts";

export function showSave(root: HTMLElement, lab: Lab): void {
  const name = element("input", { id: "save-name", type: "text", autocomplete: "off", spellcheck: "false" });
  const list = element("ul");
  const download = button("Save as JSON", () => {
    if (lab.device.kind !== "open") return;
    const { adapter } = lab.device;
    const report = buildSavedReport(collectMeasurements(lab.measurements), {
      adapter,
      name: name.value,
      cores: navigator.hardwareConcurrency,
      timestamps: adapter.hasTimestamps,
      date: new Date(),
      version: readPageData().version,
    });
    saveFile(formatFileName(report), JSON.stringify(report, null, 1) + "\n", "application/json");
  }, { class: "main" });
  const update = () => {
    const contents = listReportContents(collectMeasurements(lab.measurements));
    download.disabled = contents.length === 0 || lab.device.kind !== "open";
    const nothing = "No measurements yet: train a model, measure a step, run a ladder or the self-test.";
    const lines = contents.length > 0 ? contents : [nothing];
    fill(list, markup`${lines.map((line) => markup`<li>${line}</li>`)}`);
  };
  root.append(
    dom`<p>The file has all measurements on this adapter since the page was opened. They leave the page only
in the file that you save. <code>deno task bench --compare FILE</code> reads the file.</p>`,
    dom`<div class="card"><h3>In the file</h3>${list}
<div class="buttons"><label>Name of the adapter${name}</label>${download}</div>
<p class="about">Browsers often hide the GPU's model: enter it if you know it.</p></div>`,
  );
  lab.onDevice((state) => {
    if (state.kind === "open") name.placeholder = formatAdapterName(state.adapter);
    update();
  });
  lab.onMeasurement(update);
}
