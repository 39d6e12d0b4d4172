/** What of a text, or of its course, cannot be followed. */
export class NotReadable extends Error {}

/** @returns undefined for what is not understood. */
export function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof NotReadable) return undefined;
    throw error;
  }
}
