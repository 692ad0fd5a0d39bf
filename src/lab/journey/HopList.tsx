import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type RefObject, useEffect, useRef } from 'react';
import type { EventType } from '../../protocol/event.ts';
import { openNetfilter } from '../shell/actions.ts';
import { useLab } from '../stores/lab-store.ts';
import { costText, type Hop, placeTitle, type Row } from './hops.ts';

/** From here on only the rows in sight are in the document. One exchange across nodes has some 300 and is scrolled as it is. */
const VIRTUAL_FROM = 600;

interface HopListProps {
  readonly rows: readonly Row[];
  /** Index of the current hop's event. */
  readonly current: number | undefined;
}

export function HopList(props: HopListProps) {
  return props.rows.length > VIRTUAL_FROM ? <VirtualHops {...props} /> : <PlainHops {...props} />;
}

const keyOf = (row: Row): string => (row.type === 'hop' ? `hop-${row.hop.index}` : `place-${row.index}`);

function PlainHops({ rows, current }: HopListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  useKeepInSight(scroller, current);
  return (
    <div ref={scroller} className="hops">
      <ol>
        {rows.map((row) => (
          <li key={keyOf(row)}>
            <RowView row={row} rows={rows} current={current} />
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Scrolls only the list, and only when the hop is out of its middle. */
function useKeepInSight(scroller: RefObject<HTMLDivElement | null>, current: number | undefined): void {
  useEffect(() => {
    const list = scroller.current;
    const hop = current === undefined ? undefined : list?.querySelector<HTMLElement>(`[data-index="${current}"]`);
    if (!list) return;
    if (!hop) {
      list.scrollTop = 0;
      return;
    }
    const top = hop.getBoundingClientRect().top - list.getBoundingClientRect().top;
    if (top < 40 || top + hop.offsetHeight > list.clientHeight - 40) list.scrollTop += top - list.clientHeight / 3;
  }, [scroller, current]);
}

function VirtualHops({ rows, current }: HopListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (i) => (rows[i]?.type === 'hop' ? 34 : 32),
    getItemKey: (i) => keyOf(rows[i] as Row),
    overscan: 12,
  });
  const at = rows.findIndex((row) => row.type === 'hop' && row.hop.index === current);
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' });
  }, [at, virtual]);
  return (
    <div ref={scroller} className="hops">
      <ol style={{ position: 'relative', height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => (
          <li
            key={item.key}
            ref={virtual.measureElement}
            data-index={item.index}
            className="hops-virtual"
            style={{ transform: `translateY(${item.start}px)` }}
          >
            <RowView row={rows[item.index] as Row} rows={rows} current={current} />
          </li>
        ))}
      </ol>
    </div>
  );
}

interface RowProps {
  readonly row: Row;
  readonly rows: readonly Row[];
  readonly current: number | undefined;
}

function RowView({ row, rows, current }: RowProps) {
  if (row.type === 'place') return <h2 className="hop-place">{placeTitle(row.netns)}</h2>;
  return <HopButton hop={row.hop} rows={rows} current={current} />;
}

/** Events that are part of a walk through rules. */
const WALKED: ReadonlySet<EventType> = new Set(['rule', 'chain', 'nat', 'ipvs']);

const hopsOf = (rows: readonly Row[]): readonly Hop[] => rows.flatMap((row) => (row.type === 'hop' ? [row.hop] : []));

/** One hop. The list is one stop of the Tab key, at its current hop; up and down move from there. */
function HopButton({ hop, rows, current }: { readonly hop: Hop; readonly rows: readonly Row[]; readonly current: number | undefined }) {
  const seek = useLab((s) => s.seek);
  const button = useRef<HTMLButtonElement>(null);
  const { title, detail, kind } = hop.sentence;
  const isCurrent = hop.index === current;
  const ahead = current === undefined || hop.index > current;
  const isStop = isCurrent || (current === undefined && hop === hopsOf(rows)[0]);
  useEffect(() => {
    // Focus goes along when the playhead moves while it is in the list.
    const focused = document.activeElement;
    if (isCurrent && focused !== button.current && focused?.closest('.hops') === button.current?.closest('.hops'))
      button.current?.focus({ preventScroll: true });
  }, [isCurrent]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    event.preventDefault();
    const hops = hopsOf(rows);
    const next = hops[hops.findIndex((h) => h.index === hop.index) + (event.key === 'ArrowDown' ? 1 : -1)];
    if (next) seek(next.index + 1);
  };
  const cost = hop.rules ? costText(hop.rules) : '';
  const hasWalk = cost !== '' || WALKED.has(hop.event.type);
  return (
    <>
      <button
        ref={button}
        type="button"
        tabIndex={isStop ? 0 : -1}
        className={`hop hop-${kind}${ahead ? ' hop-ahead' : ''}`}
        data-testid="journey-hop"
        data-seq={hop.event.seq}
        data-index={hop.index}
        data-type={hop.event.type}
        aria-current={isCurrent ? 'step' : undefined}
        onClick={() => seek(hop.index + 1)}
        onKeyDown={onKeyDown}
      >
        <span className="hop-title">
          {title}
          {cost !== '' && <span className="hop-cost">{cost}</span>}
        </span>
        {isCurrent && detail !== '' && <span className="hop-detail">{detail}</span>}
      </button>
      {isCurrent && hasWalk && (
        <button type="button" className="hop-walk" data-testid="open-walk" title="Netfilter (N)" onClick={() => openNetfilter()}>
          Show the rule walk
        </button>
      )}
    </>
  );
}
