/** Quotes texts and paths for POSIX shells, in commands that users can paste. */

/** Characters without a special meaning in POSIX shells. */
const PLAIN = /^[\w./:@%+,-]+$/;

/** Quotes a text without NUL characters as one word. A shell then executes no part of the text. */
export function quoteShellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Quotes a path for a shell. "./" is put before a leading hyphen: the path would be read as an option. */
export function quotePath(path: string): string {
  return quoteShellWord(path.startsWith("-") ? `./${path}` : path);
}
