/** Form field that selects the training data: a synthetic shop, or files that the user drops or chooses. */

import { shops } from "../../../../data/shops.ts";
import { type Html, markup } from "../../../../report/html.ts";
import { formatCount } from "../../../draw/text.ts";
import { dom, element, fill } from "../../elements.ts";
import type { ReaderFile } from "../../reader.ts";
import { loadScript } from "../../scripts.ts";
import type { DataChoice } from "../../services/lab_data.ts";

type Reader = typeof import("../../reader.ts");

const OWN = "own";

export class DataField {
  readonly element: HTMLElement;
  readonly #select = element(
    "select",
    { id: "data" },
    ...shops.map(({ name, about }) => element("option", { value: name }, `${name}: ${about}`)),
    element("option", { value: OWN }, "your own data"),
  );
  readonly #picker = element("input", {
    type: "file",
    id: "data-file",
    multiple: true,
    accept: ".csv,.txt,.tsv,.json,.jsonl,.gz,.zst,.parquet,text/plain",
  });
  readonly #drop: HTMLElement;
  readonly #name = element("span", { class: "file-name" }, "No file yet.");
  #files: readonly ReaderFile[] = [];
  /** Status text: an error in the chosen files, or a command that converts the files to a data set. */
  readonly #status = element("div", { role: "status" });
  #reader: Promise<Reader> | undefined;
  /** Promise that resolves when the chosen files have been checked. */
  #checked: Promise<void> = Promise.resolve();

  constructor(private readonly onChange: () => void) {
    this.#drop =
      dom`<div class="drop" hidden><label for="data-file">Drop the files here, or choose them:</label>
${this.#picker}${this.#name}${this.#status}
<p class="about">Choose all files of a folder that deno task data wrote, or one file in the paper's layout.
The files stay in this tab. For any other log, the page shows the command that prepares the log.</p></div>`;
    this.element =
      dom`<div class="field data"><label for="data">--data</label>${this.#select}${this.#drop}</div>`;
    this.#select.addEventListener("change", () => this.#update());
    this.#picker.addEventListener("change", () => this.load(listPicked(this.#picker.files ?? [])));
  }

  load(files: readonly ReaderFile[]): void {
    if (files.length === 0) return;
    this.#files = files;
    const names = files.map(({ path, file }) => `${path}, ${formatCount(file.size)} bytes`);
    this.#name.textContent = names.join("; ");
    this.#select.value = OWN;
    this.#checked = this.#check(files);
    this.#update();
  }

  /** Checks the chosen files. If the files are no data set, shows what to do, and deselects the files. */
  async #check(files: readonly ReaderFile[]): Promise<void> {
    this.#status.replaceChildren();
    this.#reader ??= loadScript<Reader>("reader");
    let message: Html | undefined;
    try {
      const command = await (await this.#reader).checkFiles(files);
      message = command === undefined
        ? undefined
        : markup`<p>Prepare this log in a terminal, then drop all files of the
folder that the command writes:</p><code class="command">${command}</code>`;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      message = markup`<p class="error" role="alert">${text}</p>`;
    }
    if (files !== this.#files || !message) return;
    fill(this.#status, message);
    this.#files = [];
    this.#name.textContent = "No file yet.";
    this.onChange();
  }

  async loadDropped(dropped: DataTransfer): Promise<void> {
    try {
      this.load(await listDropped(dropped));
    } catch {
      this.#select.value = OWN;
      this.#update();
      this.#name.textContent =
        "The browser does not let this page read folders. Choose all files of the folder here.";
      this.#picker.focus();
    }
  }

  /** Returns the chosen data. If no file is chosen, shows an error and returns undefined. */
  async read(seed: number): Promise<DataChoice | undefined> {
    if (this.#select.value !== OWN) return { kind: "shop", name: this.#select.value, seed };
    await this.#checked;
    if (this.#files.length > 0) return { kind: "files", files: this.#files };
    this.#name.textContent = "Expected at least one file, got none. Choose a file.";
    this.#picker.focus();
    return undefined;
  }

  /** Value of --data in a command: "" for the default shop; "FILE" or "FOLDER" for an unknown path. */
  get word(): string {
    const [file, other] = this.#files;
    if (this.#select.value === OWN) return other ? "FOLDER" : file?.path ?? "FILE";
    return this.#select.value === shops[0]?.name ? "" : this.#select.value;
  }

  #update(): void {
    this.#drop.hidden = this.#select.value !== OWN;
    this.onChange();
  }
}

function listPicked(files: Iterable<File>): ReaderFile[] {
  return Array.from(files, (file) => ({ path: file.name, file }));
}

/**
 * Lists the dropped files. Call it during the drop event: the browser clears the list after the event.
 * @throws if the browser forbids reading a folder, for example because the page is a local file
 */
async function listDropped({ items }: DataTransfer): Promise<ReaderFile[]> {
  const found = await Promise.all(
    [...items].map((item) => {
      const entry = item.webkitGetAsEntry();
      if (entry && isFolder(entry)) return listFiles(entry, "");
      const file = item.getAsFile();
      return file ? listPicked([file]) : [];
    }),
  );
  return found.flat();
}

// Test the type of an entry by properties, because some browsers have no classes of entries.
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

async function listFiles(entry: FileSystemEntry, folder: string): Promise<ReaderFile[]> {
  const path = folder + entry.name;
  if (isFile(entry)) {
    return [{ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  }
  if (!isFolder(entry)) return [];
  const found = await Promise.all((await listEntries(entry)).map((one) => listFiles(one, `${path}/`)));
  return found.flat();
}

/** Returns all entries of a folder. One call of `readEntries` may return only some entries. */
async function listEntries(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  while (true) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}
