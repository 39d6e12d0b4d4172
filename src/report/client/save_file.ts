/** Offers a file to the user as a download. @param type - media type of the content */
export function saveFile(name: string, content: BlobPart, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  // Free the URL later, because the browser may still be downloading.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
