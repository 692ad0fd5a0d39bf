import { outcomeText } from '../../explain/sentence.ts';
import type { FlowSummary } from '../../protocol/engine.ts';
import type { OutcomeKind } from '../../protocol/view.ts';
import { WhatCouldHappen } from '../chance/WhatCouldHappen.tsx';
import { CompareButton } from '../compare/CompareButton.tsx';
import { useLab } from '../stores/lab-store.ts';

const TITLES: Readonly<Record<OutcomeKind, string>> = {
  connected: 'Connected',
  http: 'Answered',
  refused: 'Refused',
  unreachable: 'Unreachable',
  timeout: 'Timed out',
  'dns-failure': 'Name not found',
};

const succeeded = (kind: OutcomeKind): boolean => kind === 'connected' || kind === 'http';

/** Who sent what to whom, and what came of it. */
export function Outcome({ summary, flows }: { readonly summary: FlowSummary; readonly flows: readonly FlowSummary[] }) {
  const follow = useLab((s) => s.follow);
  const over = useLab((s) => (s.endedAt.get(summary.flow) ?? Number.POSITIVE_INFINITY) < s.position);
  const { outcome } = summary;
  const tone = !outcome ? 'under-way' : succeeded(outcome.kind) ? 'good' : 'bad';
  return (
    <section className={`outcome outcome-${tone}${over ? '' : ' outcome-ahead'}`} aria-label="Outcome" data-testid="journey-outcome">
      <div className="outcome-ends">
        <b>{shortRef(summary.from)}</b> <span aria-hidden="true">→</span>
        <span className="visually-hidden">to</span> <b>{shortRef(summary.to)}</b>
        <span className="outcome-protocol">{summary.protocol}</span>
      </div>
      {outcome ? (
        <p>
          <strong data-kind={outcome.kind}>{over ? TITLES[outcome.kind] : `Ends: ${TITLES[outcome.kind].toLowerCase()}`}</strong>{' '}
          {outcomeText(outcome)}
        </p>
      ) : (
        <p>
          <strong>Under way</strong>
        </p>
      )}
      {outcome && (
        <WhatCouldHappen
          key={summary.flow}
          send={{ type: 'send', from: summary.from, to: summary.to, protocol: summary.protocol }}
          happened={over ? outcome : undefined}
        />
      )}
      {outcome && <CompareButton send={{ type: 'send', from: summary.from, to: summary.to, protocol: summary.protocol }} />}
      {flows.length > 1 && (
        <select
          className="field"
          aria-label="Flow to follow"
          value={summary.flow}
          onChange={(event) => {
            const flow = Number(event.target.value);
            follow(flow);
            const { recording, seek } = useLab.getState();
            seek(recording.indexOfSeq(flows.find((f) => f.flow === flow)?.startSeq ?? 0) + 1);
          }}
        >
          {flows.map((f) => (
            <option key={f.flow} value={f.flow}>
              {f.flow}. {shortRef(f.from)} → {shortRef(f.to)}
            </option>
          ))}
        </select>
      )}
    </section>
  );
}

/** `pod/default/client` as `client`; an address or a URL as it is. */
const shortRef = (ref: string): string => (/^(pod|node|external)\//.test(ref) ? ref.replace(/^pod\/[^/]+\/|^node\/|^external\//, '') : ref);
