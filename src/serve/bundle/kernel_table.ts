/**
 * Lets the script of a web page read kernels from a global table that the page defines before the script
 * runs. A page that displays the kernels' texts needs no second copy in the script.
 */

const TABLE = "WGSL";

/** Returns a kernel's key in the table: the file name without extension. Exercises get a prefix. */
export function getKernelTableKey(path: string): string {
  const name = path.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  return /[/\\]exercises[/\\]/.test(path) ? `exercise_${name}` : name;
}

/** Returns the JavaScript expression that replaces a kernel's text in the script. */
export function formatTableEntry(path: string): string {
  return `${TABLE}.${getKernelTableKey(path)}`;
}

/** Returns the script that defines the table. @param kernels - WGSL texts by key, as JSON */
export function buildTableScript(kernels: string): string {
  // Scripts share globalThis, but they do not share the variables of a module.
  return `globalThis.${TABLE}=${kernels};\n`;
}
