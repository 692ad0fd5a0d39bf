import { natText } from '../../explain/rule-sentence.ts';
import { formatIp } from '../../protocol/address.ts';
import type { ConntrackTuple, ConntrackView, LabEvent } from '../../protocol/event.ts';
import { Rewrite } from '../inspector/Rewrite.tsx';
import { ipvsLabel, ipvsRewrite } from './ipvs-step.ts';
import { type Connection, type Pass, rewritesOf } from './passes.ts';

interface PassFactsProps {
  readonly events: readonly LabEvent[];
  readonly pass: Pass;
  readonly connection: Connection;
}

/** Beside the walk: what was rewritten, the connection that it belongs to, and why it is done here. */
export function PassFacts({ events, pass, connection }: PassFactsProps) {
  const rewrites = rewritesOf(events, pass);
  const { entry } = connection;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
    <section className="facts" aria-label="What came of it" tabIndex={0}>
      <h3>Before and after</h3>
      {rewrites.length === 0 && <p>Nothing is rewritten here.</p>}
      {rewrites.map((event) => (
        <RewriteOf key={event.seq} event={event} />
      ))}
      {entry && (
        <>
          <h3>{connection.state !== 'new' ? 'Its connection' : connection.lost ? 'Connection begun here' : 'Connection made here'}</h3>
          <Entry entry={entry} />
          <p>
            {whatNext(
              connection,
              rewrites.some((event) => event.type === 'nat'),
            )}
          </p>
        </>
      )}
      {rewrites.some((event) => event.type === 'nat' && event.data.manip === 'destination' && !event.data.undo) && (
        <>
          <h3>Why here</h3>
          <p>
            The destination has to change before the routing decision; otherwise the node would look up a route to an address that no device
            has.
          </p>
        </>
      )}
      {rewrites.some((event) => event.type === 'ipvs' && event.data.verdict === 'toServer') && (
        <>
          <h3>Why here</h3>
          <p>
            The address is on kube-ipvs0, so the routing decision takes the packet for this host; IPVS catches it at INPUT, and it is routed
            once more.
          </p>
        </>
      )}
      {rewrites.some((event) => event.type === 'nat' && event.data.manip === 'source' && !event.data.undo) && (
        <>
          <h3>Why here</h3>
          <p>The source changes last, when it is known by which device the packet leaves.</p>
        </>
      )}
    </section>
  );
}

function RewriteOf({ event }: { readonly event: ReturnType<typeof rewritesOf>[number] }) {
  if (event.type === 'nat') return <Rewrite data={event.data} caption={natText(event.data)} />;
  const rewrite = ipvsRewrite(event.data);
  return rewrite ? <Rewrite data={rewrite} caption={ipvsLabel(event.data)} /> : null;
}

function whatNext(connection: Connection, rewritten: boolean): string {
  if (connection.lost)
    return 'The packet does not get through, so this entry is never confirmed and goes with it. The next try begins anew.';
  if (connection.state === 'known')
    return rewritten
      ? 'This entry did the rewriting. The nat table was not asked: it sees the first packet of a connection only.'
      : 'The nat table was not asked: it sees the first packet of a connection only.';
  return rewritten
    ? 'From now on this entry translates both directions. No later packet of the connection, and no reply, sees the nat table again.'
    : 'No later packet of this connection, and no reply, will see the nat table.';
}

/** An entry as `conntrack -L` has it, in two lines. */
function Entry({ entry }: { readonly entry: ConntrackView }) {
  return (
    <dl className="entry">
      <div>
        <dt>entry {entry.id}</dt>
        <dd>
          {entry.state ?? 'no state'} {!entry.seenReply && <span className="badge badge-new">UNREPLIED</span>}
          {entry.assured && <span className="badge badge-known">ASSURED</span>}
        </dd>
      </div>
      <div>
        <dt>original</dt>
        <dd>{tuple(entry.original)}</dd>
      </div>
      <div>
        <dt>reply</dt>
        <dd>{tuple(entry.reply)}</dd>
      </div>
    </dl>
  );
}

function tuple(t: ConntrackTuple): string {
  const [from, to] = [formatIp(t.src), formatIp(t.dst)];
  return t.protocol === 1 ? `${from} > ${to}` : `${from}:${t.srcPort} > ${to}:${t.dstPort}`;
}
