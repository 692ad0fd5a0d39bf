import { RowList } from '../../widgets/RowList.tsx';
import type { Fold, WalkRow } from './rows.ts';
import { WalkRowView } from './WalkRowView.tsx';

interface WalkListProps {
  readonly rows: readonly WalkRow[];
  /** Position in `rows` of what happened last; -1 before everything. */
  readonly current: number;
  readonly position: number;
  readonly onSeek: (position: number) => void;
  readonly onToggle: (fold: Fold) => void;
}

/** The walk, row by row: one stop of the Tab key, at its present row. */
export function WalkList({ rows, current, position, onSeek, onToggle }: WalkListProps) {
  return (
    <RowList
      rows={rows}
      current={current}
      className="walk"
      label="Rule walk"
      testId="walk"
      render={(row, i) => (
        <WalkRowView
          row={row}
          isCurrent={i === current}
          ahead={row.index >= position}
          tabStop={i === Math.max(0, current)}
          onSeek={onSeek}
          onToggle={onToggle}
        />
      )}
    />
  );
}
