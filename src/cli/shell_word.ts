/** Text as a POSIX shell takes it for one word. */

export function quoted(text: string): string {
  return /^[\w./][\w./-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
