/** Text as one word of a command that is meant to be pasted: nothing in it runs, whatever a file is called. */

/** What no POSIX shell gives a meaning to, anywhere in a word. */
const PLAIN = /^[\w./:@%+,-]+$/;

/** The word that a shell takes for this text. It cannot hold NUL, as no argument can. */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The same for a path: one that begins with a hyphen would be taken for an option, so it is said to be in this folder. */
export function quoted(path: string): string {
  return shellWord(path.startsWith("-") ? `./${path}` : path);
}
