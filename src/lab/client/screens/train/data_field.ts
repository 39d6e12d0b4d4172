/** Which data: a made-up shop, or a file of the reader's, by drop or by the file picker. */

import { loadReader } from "../../later_script.ts";
import type { OwnFile } from "../../own_file.ts";
import { droppedFiles, pickedFiles } from "../../own_files.ts";
import { readerScript } from "../../page_scripts.ts";
import { whole } from "../../../draw/number.ts";
import { shops } from "../../../../data/shops.ts";
import { element } from "../../elements.ts";
import type { ColumnForm } from "../../reading/column_form.ts";
import type { DataChoice } from "../../services/lab_data.ts";

const OWN = "own";

export class DataField {
  readonly element: HTMLElement;
  readonly #select: HTMLSelectElement;
  readonly #picker = element("input", {
    type: "file",
    id: "data-file",
    multiple: true,
    accept: ".csv,.txt,.tsv,.tab,.json,.jsonl,.ndjson,.gz,.zst,.parquet,text/plain",
  });
  readonly #drop: HTMLElement;
  readonly #name = element("span", { class: "file-name" }, "No file yet.");
  #files: readonly OwnFile[] = [];
  /** Where it is asked which columns hold what. */
  readonly #place = element("div");
  #reader: ReturnType<typeof loadReader> | undefined;
  #form: Promise<ColumnForm | undefined> = Promise.resolve(undefined);
  /** Whether it is asked. */
  #isAsked = false;

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
      this.#place,
      element(
        "p",
        { class: "about" },
        "A log with a row for each displayed item: CSV, TSV or JSON lines, plain, .gz or .zst; together with it, if you like, " +
          "a file with a row for each item. Or a file in the paper's layout. Or all files of the folder that deno task data log " +
          "has made. They stay in this tab.",
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
    this.#isAsked = false;
    this.#form = this.#ask(files);
    this.#turn();
  }

  /** Files that cannot be used are not taken. */
  async #ask(files: readonly OwnFile[]): Promise<ColumnForm | undefined> {
    this.#place.replaceChildren();
    try {
      const reader = await (this.#reader ??= loadReader(readerScript()));
      const found = await reader.lookInto(files);
      if (files !== this.#files) return undefined;
      if ("fault" in found) {
        this.#files = [];
        this.#name.textContent = "No file yet.";
        this.#place.append(element("p", { class: "error", role: "alert" }, found.fault));
        return undefined;
      }
      const { form } = found;
      this.#isAsked = form !== undefined;
      this.#place.append(form?.element ?? "");
      this.changed();
      return form;
    } catch {
      this.#reader = undefined; // it may come the next time
      return undefined;
    }
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

  /** @returns undefined where a file or a column is still to be chosen: the field says so. */
  async read(seed: number): Promise<DataChoice | undefined> {
    if (this.#select.value !== OWN) return { kind: "shop", name: this.#select.value, seed };
    const form = await this.#form;
    if (this.#files.length > 0) {
      const columns = form?.read();
      if (form && !columns) return undefined;
      return { kind: "files", files: this.#files, columns, reader: readerScript() };
    }
    this.#name.textContent = "Expected a file, none is chosen.";
    this.#picker.focus();
    return undefined;
  }

  /** What `--data` would be; empty for the default. The folder is the one that a log is prepared in. */
  get word(): string {
    const [file, other] = this.#files;
    if (this.#select.value === OWN) {
      return other || this.#isAsked || /\.(csv|jsonl|ndjson|gz|zst)$/i.test(file?.path ?? "")
        ? "FOLDER"
        : file?.path ?? "FILE";
    }
    return this.#select.value === shops[0]?.name ? "" : this.#select.value;
  }

  #turn(): void {
    this.#drop.hidden = this.#select.value !== OWN;
    this.changed();
  }
}
