/** Quotes texts and paths for POSIX shells, in commands that users can paste. */

/** Characters without a special meaning in POSIX shells. */
const PLAIN = /^[\w./:@%+,-]+$/;

/** Quotes a text without NUL characters as one word. A shell then executes no part of the text. */
export function quoteShellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Quotes a path for a shell. A path with a leading hyphen gets the prefix "./", so it is not an option. */
export function quotePath(path: string): string {
  return quoteShellWord(path.startsWith("-") ? `./${path}` : path);
}
