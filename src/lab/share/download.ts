const KEPT_FOR_MS = 20_000;

/** Hands a file to the browser to keep. */
export function download(name: string, content: string | Uint8Array, type: string): void {
  const part = typeof content === 'string' ? content : new Uint8Array(content);
  const address = URL.createObjectURL(new Blob([part], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // Some browsers read it only after the click is over.
  setTimeout(() => URL.revokeObjectURL(address), KEPT_FOR_MS);
}

/** The name of what is loaded, fit for a file: that of the first manifest file. */
export function fileStem(files: readonly { readonly name: string }[]): string {
  const stem = (files[0]?.name ?? '').replace(/^.*\//, '').replace(/\.[^.]*$/, '');
  return stem.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'hoplab';
}
