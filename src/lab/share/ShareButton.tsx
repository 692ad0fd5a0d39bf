import { Check, ChevronDown, Link } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { applyShare } from './share.ts';

const SAID_FOR_MS = 2500;

export function ShareButton() {
  const [said, setSaid] = useState('');
  const ready = useLab((s) => s.phase === 'ready');
  const open = useScreen((s) => s.open);
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => setSaid(''), SAID_FOR_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <span className="split">
      <button type="button" className="button share" data-testid="share" disabled={!ready} onClick={() => void applyShare().then(setSaid)}>
        {said === '' ? <Link size={16} aria-hidden="true" /> : <Check size={16} aria-hidden="true" />} {said === '' ? 'Share' : said}
      </button>
      <button
        type="button"
        className="button button-icon"
        aria-label="More ways to share"
        title="Linux script, capture (pcapng)"
        data-testid="share-more"
        disabled={!ready}
        onClick={() => open('share')}
      >
        <ChevronDown size={15} />
      </button>
      <span className="visually-hidden" role="status">
        {said}
      </span>
    </span>
  );
}
