/** Which data: a made-up shop, or a file of the reader's, by drop or by the file picker. */

import { whole } from "../../../draw/number.ts";
import { shops } from "../../../../data/shops.ts";
import { element } from "../../elements.ts";
import type { DataChoice } from "../../services/lab_data.ts";

const OWN = "own";

export class DataField {
  readonly element: HTMLElement;
  readonly #select: HTMLSelectElement;
  readonly #picker = element("input", { type: "file", id: "data-file", accept: ".txt,.tsv,.tab,text/plain" });
  readonly #drop: HTMLElement;
  readonly #name = element("span", { class: "file-name" }, "No file yet.");
  #file: File | undefined;

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
      element("label", { for: "data-file" }, "Drop the file here, or choose it:"),
      this.#picker,
      this.#name,
      element(
        "p",
        { class: "about" },
        "Tab-separated, in the paper's layout: a line with the names session_new_index, Time, item_new_index, is_click and " +
          "tr_val_tst, and a row for each displayed item. It stays in this tab.",
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
    this.#picker.addEventListener("change", () => this.take(this.#picker.files?.[0]));
  }

  /** Takes a file as if it had been chosen. */
  take(file: File | undefined): void {
    if (!file) return;
    this.#file = file;
    this.#name.textContent = `${file.name}, ${whole(file.size)} bytes`;
    this.#select.value = OWN;
    this.#turn();
  }

  /** @returns undefined where a file is still to be chosen: the field says so. */
  read(seed: number): DataChoice | undefined {
    if (this.#select.value !== OWN) return { kind: "shop", name: this.#select.value, seed };
    if (this.#file) return { kind: "file", file: this.#file };
    this.#name.textContent = "Expected a file, none is chosen.";
    this.#picker.focus();
    return undefined;
  }

  /** What `--data` would be; empty for the default. */
  get word(): string {
    if (this.#select.value === OWN) return this.#file?.name ?? "FILE";
    return this.#select.value === shops[0]?.name ? "" : this.#select.value;
  }

  #turn(): void {
    this.#drop.hidden = this.#select.value !== OWN;
    this.changed();
  }
}
