import { packetText } from '../../explain/packet-text.ts';
import { natText } from '../../explain/rule-sentence.ts';
import { ipvsLabel, ipvsRewrite } from '../netfilter/ipvs-step.ts';
import { useLab } from '../stores/lab-store.ts';
import { frameBefore, framedAt } from './at-playhead.ts';
import './inspector.css';
import { changesOf, type Layer, layersOf } from './layers.ts';
import { Rewrite } from './Rewrite.tsx';

/** The packet at the playhead, layer by layer, and what the last step changed in it. */
export function PacketInspector() {
  const recording = useLab((s) => s.recording);
  const position = useLab((s) => s.position);
  const flow = useLab((s) => s.flow);
  const found = framedAt(recording, position, flow);
  if (!found) return <p className="empty">No packet yet. Press Space to send one; its headers are shown here field by field.</p>;
  const { event, frame } = found;
  const layers = layersOf(frame);
  const before = frameBefore(recording, event);
  const changes = before ? changesOf(layersOf(before), layers) : new Map<string, string>();
  const ipvs = event.type === 'ipvs' ? ipvsRewrite(event.data) : undefined;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
    <section className="inspector" aria-label="Packet" data-testid="packet-inspector" tabIndex={0}>
      <div className="inspector-head">
        <p className="mono">{packetText(frame)}</p>
        <p className="inspector-place">
          {event.netns.replace('/', ' ')}
          {event.device === undefined ? '' : `, ${event.device}`}
          {changes.size > 0 && (
            <span className="changed-count">{`${changes.size} ${changes.size === 1 ? 'field' : 'fields'} changed here`}</span>
          )}
        </p>
      </div>
      {event.type === 'nat' && (
        <div className="inspector-rewrite">
          <Rewrite data={event.data} caption={natText(event.data)} />
        </div>
      )}
      {ipvs && event.type === 'ipvs' && (
        <div className="inspector-rewrite">
          <Rewrite data={ipvs} caption={ipvsLabel(event.data)} />
        </div>
      )}
      {layers.map((layer) => (
        <LayerFields key={layer.name} layer={layer} changes={changes} />
      ))}
    </section>
  );
}

function LayerFields({ layer, changes }: { readonly layer: Layer; readonly changes: ReadonlyMap<string, string> }) {
  return (
    <section className={`layer layer-${layer.kind}`} aria-label={layer.name}>
      <h2 className="layer-name">{layer.name}</h2>
      <dl className={layer.name === 'HTTP' ? 'fields fields-text' : 'fields'}>
        {layer.fields.map(({ label, value }) => {
          const old = changes.get(`${layer.name} ${label}`);
          return (
            <div
              key={label}
              className={old === undefined ? 'field-row' : 'field-row is-changed'}
              data-changed={old !== undefined || undefined}
            >
              <dt>{label}</dt>
              <dd className="mono">
                {old !== undefined && (
                  <>
                    <del>{old}</del>
                    <span className="changed-arrow" role="img" aria-label="became">
                      {'->'}
                    </span>
                  </>
                )}
                {value}
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}
