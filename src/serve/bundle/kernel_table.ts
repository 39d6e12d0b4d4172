/**
 * Kernels' texts apart from the script that uses them. A page that shows kernels carries their files as data; the script needs
 * no copy of them: it finds each by its name in a table, which stands there before the script begins.
 */

/** The table's name, for the script. */
const TABLE = "WGSL";

/** A kernel's name in the table: its file's, without the ending. An exercise has the name of what it leads to. */
export function getKernelKey(path: string): string {
  const name = path.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  return /[/\\]exercises[/\\]/.test(path) ? `exercise_${name}` : name;
}

/** What stands in the script in the place of a kernel's text. */
export function formatTableEntry(path: string): string {
  return `${TABLE}.${getKernelKey(path)}`;
}

/** What is to run before the script. @param kernels WGSL by name, as JSON */
export function buildTableScript(kernels: string): string {
  // Scripts that are loaded later find it, too, also where this one is a module.
  return `globalThis.${TABLE}=${kernels};\n`;
}
