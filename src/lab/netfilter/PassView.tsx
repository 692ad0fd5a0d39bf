import { useEffect, useMemo, useState } from 'react';
import { packetText } from '../../explain/packet-text.ts';
import type { LabEvent } from '../../protocol/event.ts';
import { HookPath } from './HookPath.tsx';
import './netfilter.css';
import { PassFacts } from './PassFacts.tsx';
import { type Connection, connectionOf, type Pass } from './passes.ts';
import { type ChainTexts, currentRow, type Fold, rowsOf, shortFolds, stopsOf, totalOf } from './rows.ts';
import { WalkList } from './WalkList.tsx';
import type { ChainFrame } from './walk-tree.ts';

/** Where the texts of a namespace's rules come from; `ask` says that those of a chain are wanted. */
export interface Chains {
  readonly texts: ChainTexts;
  readonly ask: (frame: ChainFrame) => void;
}

interface PassViewProps {
  readonly events: readonly LabEvent[];
  readonly pass: Pass;
  readonly position: number;
  readonly onSeek: (position: number) => void;
  readonly chains: Chains;
}

/** One packet's way through one namespace: its hooks as a path, the rules that it walked through, and what came of it. */
export function PassView({ events, pass, position, onSeek, chains }: PassViewProps) {
  const [folds, setFolds] = useState<ReadonlySet<string>>(new Set());
  const { texts, ask } = chains;
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
      <HookPath stops={stops} position={position} onSeek={onSeek} />
      <div className="netfilter-body">
        <WalkList rows={rows} current={current} position={position} onSeek={onSeek} onToggle={toggle} />
        <PassFacts events={events} pass={pass} connection={connection} />
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
