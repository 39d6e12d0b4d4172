/**
 * Lets the script of a web page read kernels from a global table, which the page defines before the script
 * runs. So a page that also displays the kernels contains their texts only once.
 */

const TABLE = "WGSL";

/** Returns a kernel's key in the table: the file name without extension, with a prefix for exercises. */
export function getKernelTableKey(path: string): string {
  const name = path.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  return /[/\\]exercises[/\\]/.test(path) ? `exercise_${name}` : name;
}

/** Returns the JavaScript expression by which the script reads a kernel's text from the table. */
export function formatTableEntry(path: string): string {
  return `${TABLE}.${getKernelTableKey(path)}`;
}

/** Returns the script that defines the global table. @param kernels - WGSL texts by key, as JSON */
export function buildTableScript(kernels: string): string {
  // Scripts share globalThis, but they do not share the variables of a module.
  return `globalThis.${TABLE}=${kernels};\n`;
}
