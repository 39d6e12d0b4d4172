/** Quotes texts and paths for POSIX shells, in commands that users can paste. */

/** Characters without a special meaning in POSIX shells. */
const PLAIN = /^[\w./:@%+,-]+$/;

/** Quotes a text without NUL as one shell word that users can paste. The shell executes no part of the word. */
export function quoteShellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Quotes a path for a shell. A leading hyphen gets the prefix "./", because commands would parse it as an option. */
export function quotePath(path: string): string {
  return quoteShellWord(path.startsWith("-") ? `./${path}` : path);
}
