/**
 * Makes the script of a web page read kernels from a table. A page that shows kernels contains the texts of the kernels as data.
 * To avoid a second copy in the script, the page defines a global table of kernels by name before the script runs.
 */

const TABLE = "WGSL";

/** Returns the key of a kernel in the table: the file name without extension. An exercise has the key of its solution. */
export function getKernelTableKey(path: string): string {
  const name = path.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  return /[/\\]exercises[/\\]/.test(path) ? `exercise_${name}` : name;
}

/** Returns the JavaScript expression that replaces a kernel's text in a script. */
export function formatTableEntry(path: string): string {
  return `${TABLE}.${getKernelTableKey(path)}`;
}

/** Returns JavaScript code that defines the table, to be run before the script. @param kernels WGSL texts by key, as JSON */
export function buildTableScript(kernels: string): string {
  // The table is a property of globalThis, because later scripts could not see a variable of a module.
  return `globalThis.${TABLE}=${kernels};\n`;
}
