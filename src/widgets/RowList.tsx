import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useEffect, useRef } from 'react';

/** From here on only the rows in sight are in the document. */
const VIRTUAL_FROM = 250;

interface RowListProps<T extends { readonly key: string }> {
  readonly rows: readonly T[];
  readonly render: (row: T, index: number) => ReactNode;
  /** The row to keep in sight; -1 for none. */
  readonly current: number;
  readonly className: string;
  readonly label: string;
  readonly testId: string;
}

/** A scrolling list of rows of any height. Up and down move the focus from button to button. */
export function RowList<T extends { readonly key: string }>(props: RowListProps<T>) {
  return props.rows.length > VIRTUAL_FROM ? <VirtualRows {...props} /> : <PlainRows {...props} />;
}

function PlainRows<T extends { readonly key: string }>({ rows, render, current, className, label, testId }: RowListProps<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const list = scroller.current;
    const row = current < 0 ? undefined : list?.querySelector('ol')?.children[current];
    if (!list || !(row instanceof HTMLElement)) return;
    const top = row.getBoundingClientRect().top - list.getBoundingClientRect().top;
    if (top < 30 || top + row.offsetHeight > list.clientHeight - 30) list.scrollTop += top - list.clientHeight / 2;
  }, [current]);
  return (
    <div ref={scroller} className={className} data-testid={testId}>
      <ol aria-label={label} onKeyDown={moveFocus}>
        {rows.map((row, i) => (
          <li key={row.key}>{render(row, i)}</li>
        ))}
      </ol>
    </div>
  );
}

function VirtualRows<T extends { readonly key: string }>({ rows, render, current, className, label, testId }: RowListProps<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 27,
    getItemKey: (i) => (rows[i] as T).key,
    overscan: 16,
  });
  const currentKey = rows[current]?.key;
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows may come and go around the current one, which is not a reason to scroll
  useEffect(() => {
    if (current >= 0) virtual.scrollToIndex(current, { align: 'auto' });
  }, [currentKey]);
  return (
    <div ref={scroller} className={className} data-testid={testId}>
      <ol aria-label={label} style={{ position: 'relative', height: virtual.getTotalSize() }} onKeyDown={moveFocus}>
        {virtual.getVirtualItems().map((item) => (
          <li
            key={item.key}
            ref={virtual.measureElement}
            data-index={item.index}
            style={{ position: 'absolute', top: 0, left: 0, width: '100%', transform: `translateY(${item.start}px)` }}
          >
            {render(rows[item.index] as T, item.index)}
          </li>
        ))}
      </ol>
    </div>
  );
}

/** What a button does is up to Enter. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLButtonElement>('button')];
  const next = buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + (event.key === 'ArrowDown' ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
