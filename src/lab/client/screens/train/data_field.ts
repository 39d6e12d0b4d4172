/** Which data: a made-up shop, or a file of the reader's, by drop or by the file picker. */

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
    element("option", { value: OWN }, "data of your own"),
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
  /** Where it is said what is wrong with files, or what makes data of them. */
  readonly #place = element("div", { role: "status" });
  #reader: Promise<Reader> | undefined;
  /** Ends when the files have been looked at. */
  #looked: Promise<void> = Promise.resolve();

  constructor(private readonly changed: () => void) {
    this.#drop =
      dom`<div class="drop" hidden><label for="data-file">Drop the files here, or choose them:</label>
${this.#picker}${this.#name}${this.#place}<p class="about">All files of the folder that deno task data has made, or a file in the
paper's layout. They stay in this tab. Of any other log the page shows the command that makes such a folder.</p></div>`;
    this.element =
      dom`<div class="field data"><label for="data">--data</label>${this.#select}${this.#drop}</div>`;
    this.#select.addEventListener("change", () => this.#turn());
    this.#picker.addEventListener("change", () => this.take(pickedFiles(this.#picker.files ?? [])));
  }

  /** Takes files as if they had been chosen. */
  take(files: readonly ReaderFile[]): void {
    if (files.length === 0) return;
    this.#files = files;
    this.#name.textContent = files.map(({ path, file }) => `${path}, ${formatCount(file.size)} bytes`).join(
      "; ",
    );
    this.#select.value = OWN;
    this.#looked = this.#lookInto(files);
    this.#turn();
  }

  /** Files that cannot be used as they are are not taken. */
  async #lookInto(files: readonly ReaderFile[]): Promise<void> {
    this.#place.replaceChildren();
    this.#reader ??= loadScript<Reader>("reader");
    let said: Html | undefined;
    try {
      const command = await (await this.#reader).lookInto(files);
      said = command === undefined
        ? undefined
        : markup`<p>Prepare this log in a terminal, and drop all files of the folder
that comes of it:</p><code class="command">${command}</code>`;
    } catch (error) {
      said = markup`<p class="error" role="alert">${
        error instanceof Error ? error.message : String(error)
      }</p>`;
    }
    if (files !== this.#files || !said) return;
    fill(this.#place, said);
    this.#files = [];
    this.#name.textContent = "No file yet.";
    this.changed();
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
  async read(seed: number): Promise<DataChoice | undefined> {
    if (this.#select.value !== OWN) return { kind: "shop", name: this.#select.value, seed };
    await this.#looked;
    if (this.#files.length > 0) return { kind: "files", files: this.#files };
    this.#name.textContent = "Expected a file, none is chosen.";
    this.#picker.focus();
    return undefined;
  }

  /** What `--data` would be; empty for the default. The folder is that of the prepared set. */
  get word(): string {
    const [file, other] = this.#files;
    if (this.#select.value === OWN) return other ? "FOLDER" : file?.path ?? "FILE";
    return this.#select.value === shops[0]?.name ? "" : this.#select.value;
  }

  #turn(): void {
    this.#drop.hidden = this.#select.value !== OWN;
    this.changed();
  }
}

function pickedFiles(files: Iterable<File>): ReaderFile[] {
  return Array.from(files, (file) => ({ path: file.name, file }));
}

/**
 * Call it before the event of the drop is over: then the list of what was dropped is gone.
 * @throws for a folder that the browser does not let the page read, as where the page was opened from the disk.
 */
async function droppedFiles({ items }: DataTransfer): Promise<ReaderFile[]> {
  const found = await Promise.all(
    [...items].map((item) => {
      const entry = item.webkitGetAsEntry();
      if (entry && isFolder(entry)) return listFiles(entry, "");
      const file = item.getAsFile();
      return file ? pickedFiles([file]) : [];
    }),
  );
  return found.flat();
}

// Not every browser has a class for them.
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

/** They come some at a time. */
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
