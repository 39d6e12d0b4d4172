/** Loads scripts of the page at their first use. */

declare global {
  /** JavaScript source of the scripts that are loaded at first use. The page sends it to the worker. */
  var laterScripts: Readonly<Record<"kernels" | "reader", string>>;
}

/** Loads a script in the page or worker, and returns its module. */
export async function loadScript<Module>(name: keyof typeof laterScripts): Promise<Module> {
  const url = URL.createObjectURL(new Blob([laterScripts[name]], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
