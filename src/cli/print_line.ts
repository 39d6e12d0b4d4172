/** Prints a line on standard error, where notes and progress do not mix with a command's results. */
export function printLine(text: string): void {
  console.error(text);
}
