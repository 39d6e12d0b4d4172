/**
 * JSON of measurements as text: a line a record, so that a change of one figure is a change of one line. A record is what has
 * no list of records in it.
 */
export function recordsJson(value: unknown, indent = ""): string {
  if (!hasRecords(value)) return JSON.stringify(value);
  const inner = `${indent} `;
  const lines = Object.entries(value).filter(([, part]) => part !== undefined).map(([key, part]) =>
    inner + (Array.isArray(value) ? "" : `${JSON.stringify(key)}: `) + recordsJson(part, inner)
  );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

/** Whether it is, or has, a list of objects or of lists. */
function hasRecords(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const parts: unknown[] = Object.values(value);
  return parts.some((part) =>
    Array.isArray(value) ? typeof part === "object" && part !== null : hasRecords(part)
  );
}
