/** A variable of the environment; undefined where it is not set, or this process may not read it. */
export function permittedVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
