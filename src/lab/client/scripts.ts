/** Loads scripts that are needed only later. */

declare global {
  /** Texts of the later scripts. The page has them, and passes them to the worker. */
  var laterScripts: Readonly<Record<"kernels" | "reader", string>>;
}

/** Loads a script in the page or its worker. Returns the script's module, whose type the caller must name. */
export async function loadScript<Module>(name: keyof typeof laterScripts): Promise<Module> {
  const url = URL.createObjectURL(new Blob([laterScripts[name]], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
