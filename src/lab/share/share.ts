import { encodeLink } from '../../scenario/link.ts';
import { useLab } from '../stores/lab-store.ts';

/** Puts the link into the address bar and onto the clipboard; answers what was done. */
export async function applyShare(): Promise<string> {
  const link = `${location.href.replace(/#.*$/, '')}#${encodeLink(useLab.getState().files)}`;
  history.replaceState(null, '', link);
  try {
    await navigator.clipboard.writeText(link);
    return 'Link copied';
  } catch {
    return 'Link is in the address bar';
  }
}
