/** A copy of the working tree in a temporary folder: faults are put there, never into the tree itself. */

import { fileURLToPath } from "node:url";

const projectFolder = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** What the tests read of the project. */
const COPIED = ["deno.json", "deno.lock", "README.md", "bench", "data", "kernels", "src", "test"];
/** Results of earlier runs: large, and nobody's source. */
const LEFT_OUT = new Set(["bench/out", "data/out"]);

export class WorkingCopy implements Disposable {
  private constructor(readonly folder: string) {}

  static make(): WorkingCopy {
    const copy = new WorkingCopy(Deno.makeTempDirSync({ prefix: "clickgan-mutations-" }));
    for (const name of COPIED) copyTree(projectFolder, copy.folder, name);
    return copy;
  }

  read(file: string): string {
    return Deno.readTextFileSync(`${this.folder}/${file}`);
  }

  /** Runs something while a file holds another text. */
  async with<T>(file: string, change: (text: string) => string, run: () => Promise<T>): Promise<T> {
    const path = `${this.folder}/${file}`;
    const before = this.read(file);
    Deno.writeTextFileSync(path, change(before));
    try {
      return await run();
    } finally {
      Deno.writeTextFileSync(path, before);
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function copyTree(from: string, to: string, name: string): void {
  if (LEFT_OUT.has(name)) return;
  const { isDirectory, isFile } = Deno.lstatSync(`${from}/${name}`);
  if (isFile) return Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  if (!isDirectory) return;
  Deno.mkdirSync(`${to}/${name}`);
  for (const entry of Deno.readDirSync(`${from}/${name}`)) {
    if (!entry.name.startsWith(".")) copyTree(from, to, `${name}/${entry.name}`);
  }
}
