import { useLab } from '../stores/lab-store.ts';

/** Puts the link into the address bar and onto the clipboard; answers what was done. */
export async function applyShare(): Promise<string> {
  // Compacting manifests needs a YAML printer, which the page has no other use for.
  const { encodeLink } = await import('../../scenario/encode-link.ts');
  const link = `${location.href.replace(/#.*$/, '')}#${encodeLink(useLab.getState().files)}`;
  history.replaceState(null, '', link);
  try {
    await navigator.clipboard.writeText(link);
    return 'Link copied';
  } catch {
    return 'Link is in the address bar';
  }
}
