/**
 * Returns the path of a file of `../shared/data`, seen from the project's root, or undefined where it is
 * missing; then a line says which tests are skipped. Use it as `ignore: path === undefined`.
 */
export function findRealData(name: string): string | undefined {
  const path = new URL(`../../shared/data/${name}`, import.meta.url);
  try {
    Deno.statSync(path);
    return decodeURIComponent(path.pathname);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped: ../shared/data/${name} is not there, so the tests that read it do not run`);
    return undefined;
  }
}
