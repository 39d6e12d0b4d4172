/**
 * Makes the script of a web page read kernels from a table. A page that shows kernels contains their texts as data; so that the
 * script needs no second copy, the page defines a global table of kernels by name before the script runs.
 */

const TABLE = "WGSL";

/** Returns the key of a kernel in the table: its file name without extension. An exercise has the name of the kernel it leads to. */
export function getKernelTableKey(path: string): string {
  const name = path.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  return /[/\\]exercises[/\\]/.test(path) ? `exercise_${name}` : name;
}

/** Returns the JavaScript expression that a script has in place of a kernel's text. */
export function formatTableEntry(path: string): string {
  return `${TABLE}.${getKernelTableKey(path)}`;
}

/** Returns JavaScript code that defines the table, and must run before the script. @param kernels WGSL texts by key, as JSON */
export function buildTableScript(kernels: string): string {
  // The table is a property of globalThis: a variable of a module would not be visible in scripts that are loaded later.
  return `globalThis.${TABLE}=${kernels};\n`;
}
