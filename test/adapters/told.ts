/** What a self-test is at, a line a case: whoever started the process shows it. */
export function told(
  { name, kind, number, of }: { name: string; kind: string; number: number; of: number },
): void {
  console.error(`[${number}/${of}] ${name} (${kind})`);
}
