import { ChevronLeft, ChevronRight, Diff, SkipBack, SkipForward } from 'lucide-react';
import { type ReactNode, useCallback } from 'react';
import { placeTitle } from '../journey/hops.ts';
import { useOwnKeys } from '../shell/keys.ts';
import type { AlignedRow } from './align.ts';

interface StepBarProps {
  readonly rows: readonly AlignedRow[];
  /** -1: before the first. */
  readonly row: number;
  readonly onGo: (row: number) => void;
}

/** One scrubber for all modes. */
export function StepBar({ rows, row, onGo }: StepBarProps) {
  const last = rows.length - 1;
  useOwnKeys(
    useCallback(
      (key: string): boolean => {
        const to = { ArrowRight: row + 1, ArrowLeft: row - 1, Home: -1, End: last }[key];
        if (to !== undefined) onGo(to);
        return to !== undefined;
      },
      [row, last, onGo],
    ),
  );
  const at = rows[row];
  const nextDifference = rows.findIndex((other, i) => i > row && other.difference === 'differs');
  const place = at ? (at.netns.startsWith('node/') ? `${at.label} on ${placeTitle(at.netns)}` : at.label) : 'before it is sent';
  const button = (label: string, to: number, disabled: boolean, icon: ReactNode, testId?: string) => (
    <button
      type="button"
      className="button button-icon"
      aria-label={label}
      title={label}
      disabled={disabled}
      data-testid={testId}
      onClick={() => onGo(to)}
    >
      {icon}
    </button>
  );
  return (
    <div className="step-bar">
      {button('To the start', -1, row < 0, <SkipBack size={16} />)}
      {button('Step back', row - 1, row < 0, <ChevronLeft size={17} />, 'compare-back')}
      {button('Step', row + 1, row >= last, <ChevronRight size={17} />, 'compare-step')}
      {button('Next difference', nextDifference, nextDifference < 0, <Diff size={16} />, 'compare-next-difference')}
      {button('To the end', last, row >= last, <SkipForward size={16} />)}
      <input
        type="range"
        min={0}
        max={rows.length}
        value={row + 1}
        aria-label="Step of all modes"
        aria-valuetext={place}
        data-testid="compare-scrubber"
        onChange={(event) => onGo(Number(event.target.value) - 1)}
      />
      <output className="step-at" aria-live="polite" data-testid="compare-at">
        <b className="step-number">{`step ${row + 1} of ${rows.length}`}</b>
        <span className="step-place">{place}</span>
      </output>
    </div>
  );
}
