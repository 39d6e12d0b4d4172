/** JSON of measurements as text: a line a record, so that a change of one figure is a change of one line. */
export function recordsJson(value: unknown, indent = ""): string {
  const parts = value && typeof value === "object" ? Object.entries(value) : [];
  if (parts.every(([, part]) => isFlat(part))) return JSON.stringify(value);
  const inner = `${indent} `;
  const lines = parts.map(([key, part]) =>
    inner + (Array.isArray(value) ? "" : `${JSON.stringify(key)}: `) + recordsJson(part, inner)
  );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

/** A number, a word, or a list of these. */
function isFlat(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((part) => part === null || typeof part !== "object");
  return value === null || typeof value !== "object";
}
