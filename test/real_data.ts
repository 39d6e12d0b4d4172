/**
 * Returns the path of a file in `../shared/data` (relative to the project's root). If the file is missing,
 * returns undefined and prints that tests are skipped. Tests then need `ignore: path === undefined`.
 */
export function findRealData(name: string): string | undefined {
  const path = new URL(`../../shared/data/${name}`, import.meta.url);
  try {
    Deno.statSync(path);
    return decodeURIComponent(path.pathname);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped: ../shared/data/${name} is missing, so tests that read it do not run`);
    return undefined;
  }
}
