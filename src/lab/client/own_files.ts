/** The reader's own files: by the file picker, or dropped, alone or as a folder. */

import type { OwnFile } from "./own_file.ts";

export function pickedFiles(files: Iterable<File>): OwnFile[] {
  return Array.from(files, (file) => ({ path: file.name, file }));
}

/**
 * Call it before the event of the drop is over: then the list of what was dropped is gone.
 * @throws for a folder that the browser does not let the page read, as where the page was opened from the disk.
 */
export async function droppedFiles({ items }: DataTransfer): Promise<OwnFile[]> {
  const found = await Promise.all(
    [...items].map((item) => {
      const entry = item.webkitGetAsEntry();
      if (entry && isFolder(entry)) return filesOf(entry, "");
      const file = item.getAsFile();
      return file ? pickedFiles([file]) : [];
    }),
  );
  return found.flat();
}

// Not every browser has a class for them.
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

async function filesOf(entry: FileSystemEntry, folder: string): Promise<OwnFile[]> {
  const path = folder + entry.name;
  if (isFile(entry)) {
    return [{ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  }
  if (!isFolder(entry)) return [];
  const found = await Promise.all((await entriesOf(entry)).map((one) => filesOf(one, `${path}/`)));
  return found.flat();
}

/** They come some at a time. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
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
