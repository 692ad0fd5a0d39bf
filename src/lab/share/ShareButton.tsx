import { Check, Link } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useLab } from '../stores/lab-store.ts';
import { applyShare } from './share.ts';

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
      <button type="button" className="button share" data-testid="share" disabled={!ready} onClick={() => void applyShare().then(setSaid)}>
        {said === '' ? <Link size={16} aria-hidden="true" /> : <Check size={16} aria-hidden="true" />} {said === '' ? 'Share' : said}
      </button>
      <span className="visually-hidden" role="status">
        {said}
      </span>
    </>
  );
}
