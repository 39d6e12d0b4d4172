/** Which data: a made-up shop, or a file of the reader's, by drop or by the file picker. */

import type { OwnFile } from "../../own_file.ts";
import { droppedFiles, pickedFiles } from "../../own_files.ts";
import { readerScript } from "../../page_scripts.ts";
import { whole } from "../../../draw/number.ts";
import { shops } from "../../../../data/shops.ts";
import { element } from "../../elements.ts";
import type { DataChoice } from "../../services/lab_data.ts";

const OWN = "own";

export class DataField {
  readonly element: HTMLElement;
  readonly #select: HTMLSelectElement;
  readonly #picker = element("input", {
    type: "file",
    id: "data-file",
    multiple: true,
    accept: ".csv,.txt,.tsv,.tab,.json,.parquet,text/plain",
  });
  readonly #drop: HTMLElement;
  readonly #name = element("span", { class: "file-name" }, "No file yet.");
  #files: readonly OwnFile[] = [];

  constructor(private readonly changed: () => void) {
    this.#select = element(
      "select",
      { id: "data" },
      ...shops.map(({ name, about }) => element("option", { value: name }, `${name}: ${about}`)),
      element("option", { value: OWN }, "a log of your own"),
    );
    this.#drop = element(
      "div",
      { class: "drop", hidden: true },
      element("label", { for: "data-file" }, "Drop the files here, or choose them:"),
      this.#picker,
      this.#name,
      element(
        "p",
        { class: "about" },
        "A CSV file as deno task data example writes it: a line with the names user, time, page, item, position and clicked, " +
          "and a row for each displayed item. Or a tab-separated file in the paper's layout, with session_new_index, Time, " +
          "item_new_index, is_click and tr_val_tst. Or all files of the folder that deno task data log has made. " +
          "They stay in this tab.",
      ),
    );
    this.element = element(
      "div",
      { class: "field data" },
      element("label", { for: "data" }, "--data"),
      this.#select,
      this.#drop,
    );
    this.#select.addEventListener("change", () => this.#turn());
    this.#picker.addEventListener("change", () => this.take(pickedFiles(this.#picker.files ?? [])));
  }

  /** Takes files as if they had been chosen. */
  take(files: readonly OwnFile[]): void {
    if (files.length === 0) return;
    this.#files = files;
    this.#name.textContent = files.map(({ path, file }) => `${path}, ${whole(file.size)} bytes`).join("; ");
    this.#select.value = OWN;
    this.#turn();
  }

  /** Takes what was dropped. */
  async takeDropped(dropped: DataTransfer): Promise<void> {
    try {
      this.take(await droppedFiles(dropped));
    } catch {
      this.#select.value = OWN;
      this.#turn();
      this.#name.textContent =
        "The browser does not let this page read the folder. Choose its files here, all at once.";
      this.#picker.focus();
    }
  }

  /** @returns undefined where a file is still to be chosen: the field says so. */
  read(seed: number): DataChoice | undefined {
    if (this.#select.value !== OWN) return { kind: "shop", name: this.#select.value, seed };
    if (this.#files.length > 0) return { kind: "files", files: this.#files, reader: readerScript() };
    this.#name.textContent = "Expected a file, none is chosen.";
    this.#picker.focus();
    return undefined;
  }

  /** What `--data` would be; empty for the default. The folder is the one that CSV is prepared in. */
  get word(): string {
    const [file, other] = this.#files;
    if (this.#select.value === OWN) {
      return other || file?.path.toLowerCase().endsWith(".csv") ? "FOLDER" : file?.path ?? "FILE";
    }
    return this.#select.value === shops[0]?.name ? "" : this.#select.value;
  }

  #turn(): void {
    this.#drop.hidden = this.#select.value !== OWN;
    this.changed();
  }
}
