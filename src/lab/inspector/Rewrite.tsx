import { formatIp } from '../../protocol/address.ts';
import type { ConntrackTuple, NatRewrite } from '../../protocol/event.ts';
import './rewrite.css';

const ICMP = 1;

/** The addressing of a packet, field by field, as `tcpdump` would name it. */
function fieldsOf(tuple: ConntrackTuple): readonly (readonly [label: string, value: string])[] {
  const ends = [
    ['ip src', formatIp(tuple.src)],
    ['ip dst', formatIp(tuple.dst)],
  ] as const;
  if (tuple.protocol === ICMP) return [...ends, ['icmp id', String(tuple.srcPort)]];
  return [ends[0], ['src port', String(tuple.srcPort)], ends[1], ['dst port', String(tuple.dstPort)]];
}

/** A header before and after it was rewritten, side by side. */
export function Rewrite({ data, caption }: { readonly data: Pick<NatRewrite, 'before' | 'after'>; readonly caption: string }) {
  const before = fieldsOf(data.before);
  const after = fieldsOf(data.after);
  return (
    <table className="rewrite" data-testid="rewrite">
      <caption>{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {after.map(([label, value], i) => {
          const old = before[i]?.[1];
          const changed = old !== value;
          return (
            <tr key={label} className={changed ? 'rewrite-changed' : undefined} data-changed={changed || undefined}>
              <th scope="row">{label}</th>
              <td className="mono">{old}</td>
              <td className="mono">
                {value}
                {changed && <span className="visually-hidden"> (changed)</span>}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
