/** Where the tests are: each folder has those of one part of the program. */

const root = new URL("../", import.meta.url);

/** Files of tests, from the project's folder, in order. @param folder below test */
export function testsIn(folder: string): string[] {
  return [...Deno.readDirSync(new URL(`test/${folder}/`, root))].map(({ name }) => name)
    .filter((name) => name.endsWith("_test.ts")).sort().map((name) => `test/${folder}/${name}`);
}

/** Folders that have tests, in order. */
export const parts: readonly string[] = [...Deno.readDirSync(new URL("test/", root))]
  .filter(({ isDirectory }) => isDirectory).map(({ name }) => name)
  .filter((folder) => testsIn(folder).length > 0).sort();

const all = parts.flatMap(testsIn);

/** @param name of a file of tests, without folder and ending. @throws Error unless there is one of that name */
export function testFile(name: string): string {
  const found = all.filter((path) => path.endsWith(`/${name}_test.ts`));
  if (found.length !== 1) throw new Error(`${found.length} files of tests are called ${name}_test.ts`);
  return found[0]!;
}
