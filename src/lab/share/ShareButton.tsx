import { Check, Link } from 'lucide-react';
import { useEffect, useState } from 'react';
import { encodeLink } from '../../scenario/link.ts';
import { useLab } from '../stores/lab-store.ts';

const SAID_FOR_MS = 2500;

export function ShareButton() {
  const [said, setSaid] = useState('');
  const ready = useLab((s) => s.phase === 'ready');
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => setSaid(''), SAID_FOR_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <>
      <button type="button" className="button share" data-testid="share" disabled={!ready} onClick={() => void share().then(setSaid)}>
        {said === '' ? <Link size={16} aria-hidden="true" /> : <Check size={16} aria-hidden="true" />} {said === '' ? 'Share' : said}
      </button>
      <span className="visually-hidden" role="status">
        {said}
      </span>
    </>
  );
}

/** Puts the link into the address bar and onto the clipboard; answers what was done. */
export async function share(): Promise<string> {
  const link = `${location.href.replace(/#.*$/, '')}#${encodeLink(useLab.getState().files)}`;
  history.replaceState(null, '', link);
  try {
    await navigator.clipboard.writeText(link);
    return 'Link copied';
  } catch {
    return 'Link is in the address bar';
  }
}
