/**
 * Kernel texts in a separate table. A page that shows kernels contains their files as data, so its script needs no second copy: it
 * reads each by name from a table that is defined before the script runs.
 */

const TABLE = "WGSL";

/** Returns a kernel's name in the table: its file name without extension. Exercises have the name of the kernel they lead to. */
export function getKernelTableKey(path: string): string {
  const name = path.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  return /[/\\]exercises[/\\]/.test(path) ? `exercise_${name}` : name;
}

/** Returns the expression that replaces a kernel's text in the script. */
export function formatTableEntry(path: string): string {
  return `${TABLE}.${getKernelTableKey(path)}`;
}

/** Returns code to run before the script. @param kernels WGSL by name, as JSON */
export function buildTableScript(kernels: string): string {
  // A global, so that scripts that are loaded later find it even if this one is a module.
  return `globalThis.${TABLE}=${kernels};\n`;
}
