import { ChevronLeft, ChevronRight, Map as MapIcon } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { packetText } from '../../explain/packet-text.ts';
import type { LabEvent } from '../../protocol/event.ts';
import { placeTitle } from '../journey/hops.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { HookPath } from './HookPath.tsx';
import './netfilter.css';
import { PassFacts } from './PassFacts.tsx';
import { type Connection, connectionOf, type Pass, passAt, passesOf } from './passes.ts';
import { currentRow, type Fold, rowsOf, shortFolds, stopsOf, totalOf } from './rows.ts';
import { useChainTexts } from './use-chain-texts.ts';
import { WalkList } from './WalkList.tsx';

/** The hooks that a packet passes in one namespace, and the rules it walks through there, up to the playhead. */
export default function NetfilterView() {
  const { recording, length, flow, position, seek } = useLab();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` says when the recording grew
  const passes = useMemo(() => passesOf(recording.events, flow), [recording, length, flow]);
  const pass = passAt(passes, position);
  const showMap = (): void => useScreen.getState().showStage('map');
  return (
    <section className="netfilter" aria-label="Netfilter" data-testid="netfilter-view">
      <div className="netfilter-head">
        <h2>{pass ? `Netfilter on ${placeTitle(pass.netns)}` : 'Netfilter'}</h2>
        <PassSwitch passes={passes} pass={pass} onSeek={seek} />
        <button type="button" className="button" data-testid="netfilter-close" title="Back to the map (N)" onClick={showMap}>
          <MapIcon size={16} aria-hidden="true" /> Map
        </button>
      </div>
      {pass ? <PassView key={`${pass.packet} ${pass.netns}`} pass={pass} /> : <NoPass sent={flow !== 0} />}
    </section>
  );
}

function NoPass({ sent }: { readonly sent: boolean }) {
  return (
    <p className="empty">
      {sent
        ? 'No packet of this flow met connection tracking or a rule. Send one to a Service, or across nodes.'
        : 'No packet yet. Press Space to send one; the rules that it walks through are shown here.'}
    </p>
  );
}

interface PassSwitchProps {
  readonly passes: readonly Pass[];
  readonly pass: Pass | undefined;
  readonly onSeek: (position: number) => void;
}

/** From one packet and node to the next. */
function PassSwitch({ passes, pass, onSeek }: PassSwitchProps) {
  const at = pass ? passes.indexOf(pass) : -1;
  const go = (to: Pass | undefined): void => {
    if (to) onSeek((to.indices.at(-1) as number) + 1);
  };
  return (
    <div className="netfilter-switch">
      <button
        type="button"
        className="button button-icon"
        aria-label="Previous packet at a node"
        disabled={at <= 0}
        onClick={() => go(passes[at - 1])}
      >
        <ChevronLeft size={17} />
      </button>
      <span aria-live="polite">{`${at + 1} of ${passes.length}`}</span>
      <button
        type="button"
        className="button button-icon"
        aria-label="Next packet at a node"
        data-testid="netfilter-next"
        disabled={at < 0 || at + 1 >= passes.length}
        onClick={() => go(passes[at + 1])}
      >
        <ChevronRight size={17} />
      </button>
    </div>
  );
}

function PassView({ pass }: { readonly pass: Pass }) {
  const { recording, position, seek } = useLab();
  const { events } = recording;
  const [folds, setFolds] = useState<ReadonlySet<string>>(new Set());
  const { texts, ask } = useChainTexts(pass.netns);
  const rows = useMemo(() => rowsOf(events, pass, { folds, texts }), [events, pass, folds, texts]);
  const stops = useMemo(() => stopsOf(events, pass), [events, pass]);
  const connection = useMemo(() => connectionOf(events, pass), [events, pass]);
  const current = currentRow(rows, position);
  const total = totalOf(rows);
  useEffect(() => {
    for (const frame of shortFolds(rows)) ask(frame);
  }, [rows, ask]);
  const toggle = (fold: Fold): void => {
    if (!folds.has(fold.key)) ask(fold.frame);
    setFolds((before) => {
      const after = new Set(before);
      if (!after.delete(fold.key)) after.add(fold.key);
      return after;
    });
  };
  return (
    <>
      <p className="netfilter-packet">
        <span className="mono">{firstPacket(events, pass)}</span>
        <Badge connection={connection} />
        <span className="netfilter-total" data-testid="netfilter-total">
          {`${count(total.rules, 'rule')} evaluated, ${total.matched} matched`}
          {total.lookups > 0 && `, ${count(total.lookups, 'set lookup')}`}
        </span>
      </p>
      <HookPath stops={stops} position={position} onSeek={seek} />
      <div className="netfilter-body">
        <WalkList rows={rows} current={current} position={position} onSeek={seek} onToggle={toggle} />
        <PassFacts pass={pass} connection={connection} />
      </div>
    </>
  );
}

/** The packet as it came to this namespace. */
function firstPacket(events: readonly LabEvent[], pass: Pass): string {
  for (const index of pass.indices) {
    const frame = events[index]?.frame;
    if (frame) return packetText(frame);
  }
  return `packet ${pass.packet}`;
}

function Badge({ connection }: { readonly connection: Connection }) {
  switch (connection.state) {
    case 'new':
      return <span className="badge badge-new">first packet of its connection</span>;
    case 'known':
      return (
        <span className="badge badge-known">
          {connection.related
            ? 'about a known connection'
            : connection.direction === 'reply'
              ? 'reply of a known connection'
              : 'known connection'}
        </span>
      );
    case 'invalid':
      return <span className="badge badge-invalid">invalid: belongs to no connection</span>;
    case 'untracked':
      return null;
  }
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
