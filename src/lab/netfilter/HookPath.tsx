import type { Stop } from './rows.ts';

interface HookPathProps {
  readonly stops: readonly Stop[];
  readonly position: number;
  readonly onSeek: (position: number) => void;
}

/** The hooks as the packet's path. */
export function HookPath({ stops, position, onSeek }: HookPathProps) {
  const current = stops.findLastIndex((stop) => stop.index < position);
  return (
    <ol className="hook-path" aria-label="Way through the namespace">
      {stops.map((stop, i) => (
        <li key={`${stop.name} ${stop.index}`} className={stop.index < position ? undefined : 'hook-path-ahead'}>
          <button
            type="button"
            className={`stop stop-${stop.kind} stop-tone-${stop.tone}`}
            aria-current={i === current ? 'step' : undefined}
            onClick={() => onSeek(stop.index + 1)}
          >
            {stop.name}
          </button>
          <span className="stop-note">{stop.note}</span>
        </li>
      ))}
    </ol>
  );
}
