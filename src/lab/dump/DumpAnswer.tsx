import { CircleAlert } from 'lucide-react';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { sentence } from '../../explain/sentence.ts';
import type { RulesTrace } from '../../protocol/engine.ts';
import { PassView } from '../netfilter/PassView.tsx';
import { passAt, passesOf } from '../netfilter/passes.ts';
import { useOwnKeys } from '../shell/keys.ts';
import { dumpChains } from './dump-chains.ts';
import { useDump } from './dump-store.ts';

type Walk = Extract<RulesTrace, { ok: true }>;

/** What became of the packet, or what is wrong with what was pasted. */
export function DumpAnswer({ onGoTo }: { readonly onGoTo: (line: number) => void }) {
  const walked = useDump((s) => s.walked);
  if (!walked) {
    return (
      <section className="dump-answer dump-empty" aria-label="Walk">
        <p>The packet’s way through the node’s hooks, rule by rule, will be here.</p>
      </section>
    );
  }
  const { trace, dumps } = walked;
  return (
    <section className="dump-answer" aria-label="Walk" data-testid="dump-answer">
      {trace.ok ? <WalkThrough trace={trace} dumps={dumps} /> : <Problems problems={trace.problems} onGoTo={onGoTo} />}
    </section>
  );
}

interface ProblemsProps {
  readonly problems: Extract<RulesTrace, { ok: false }>['problems'];
  readonly onGoTo: (line: number) => void;
}

function Problems({ problems, onGoTo }: ProblemsProps) {
  return (
    <div className="dump-problems" role="alert">
      <h3>{problems.length === 1 ? 'This has to be mended first' : `${problems.length} things have to be mended first`}</h3>
      <ul>
        {problems.map(({ line, message }) => (
          <li key={`${line} ${message}`}>
            <button
              type="button"
              className="problem problem-error"
              data-testid="dump-problem"
              disabled={line === undefined}
              onClick={() => line !== undefined && onGoTo(line)}
            >
              <CircleAlert size={16} aria-hidden="true" />
              <span>
                {line !== undefined && <b>{`line ${line} `}</b>}
                {message}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The engine calls the traffic of a described packet its first flow. */
const FLOW = 1;

function WalkThrough({ trace, dumps }: { readonly trace: Walk; readonly dumps: string }) {
  const { events, verdict, notes } = trace;
  const [position, setPosition] = useState(events.length);
  useEffect(() => setPosition(events.length), [events]);
  const chains = useMemo(() => ({ texts: dumpChains(dumps), ask: () => undefined }), [dumps]);
  const passes = useMemo(() => passesOf(events, FLOW), [events]);
  const pass = passAt(passes, position);
  useOwnKeys(
    useCallback(
      (key: string): boolean => {
        const moved = { ArrowRight: 1, ArrowLeft: -1, Home: -events.length, End: events.length }[key];
        if (moved !== undefined) setPosition((at) => Math.max(0, Math.min(events.length, at + moved)));
        return moved !== undefined;
      },
      [events],
    ),
  );
  return (
    <>
      <p className="dump-verdict" role="status" data-testid="dump-verdict">
        {verdict}
      </p>
      {notes.length > 0 && (
        <ul className="dump-notes" aria-label="Notes">
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      {pass ? (
        <PassView events={events} pass={pass} position={position} onSeek={setPosition} chains={chains} />
      ) : (
        <ol className="dump-steps">
          {events
            .filter((event) => event.packet !== 0)
            .map((event) => (
              <li key={event.seq}>{sentence(event).title}</li>
            ))}
        </ol>
      )}
    </>
  );
}
