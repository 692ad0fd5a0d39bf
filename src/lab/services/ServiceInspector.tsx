import { ChevronLeft, Send } from 'lucide-react';
import type { ServiceEndpointView, ServiceView, Topology } from '../../protocol/view.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { addressesOf, endpointState, endpointStateText, problemsOf, serviceKey, serviceRef } from './service-facts.ts';

/** Not by colour alone. */
const MARKS = { ready: '●', notReady: '○', terminating: '×' } as const;

/** One Service: what it answers to, how it chooses, and who serves it. */
export function ServiceInspector({ service, topology }: { readonly service: ServiceView; readonly topology: Topology }) {
  const look = useLab((s) => s.lookAtService);
  const problems = problemsOf(service, topology);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
    <section className="services" aria-label={`Service ${serviceKey(service)}`} data-testid="service-inspector" tabIndex={0}>
      <div className="services-head">
        <h2>{`Service ${serviceKey(service)}`}</h2>
        <div className="services-bar">
          <button type="button" className="button" onClick={() => look(undefined)}>
            <ChevronLeft size={16} aria-hidden="true" /> All
          </button>
          {service.ports.length > 0 && service.type !== 'ExternalName' && (
            <button
              type="button"
              className="button"
              onClick={() => useScreen.getState().openSend(serviceRef(service, service.ports[0]?.port))}
            >
              <Send size={15} aria-hidden="true" /> Send to it
            </button>
          )}
        </div>
      </div>
      {problems.length > 0 && (
        <div className="services-section">
          {problems.map((problem) => (
            <p key={problem} className="services-problem">
              {problem}
            </p>
          ))}
        </div>
      )}
      <Facts title="Addresses" facts={[['Type', service.type], ...addressesOf(service)]} />
      <Facts title="Ports" facts={portsOf(service)} />
      <Facts title="How it chooses" facts={policiesOf(service)} />
      <div className="services-section">
        <h3>{`Endpoints ${service.endpointCount}`}</h3>
        <ul>
          {service.endpoints.map((endpoint) => (
            <Endpoint key={`${endpoint.ip} ${endpoint.pod ?? ''}`} endpoint={endpoint} />
          ))}
        </ul>
        {service.endpoints.length < service.endpointCount && <p>{`The first ${service.endpoints.length} are listed.`}</p>}
      </div>
    </section>
  );
}

type Fact = readonly [what: string, value: string];

function Facts({ title, facts }: { readonly title: string; readonly facts: readonly Fact[] }) {
  if (facts.length === 0) return null;
  return (
    <div className="services-section">
      <h3>{title}</h3>
      <dl>
        {facts.map(([what, value]) => (
          <div key={`${what} ${value}`}>
            <dt>{what}</dt>
            <dd className="mono">{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

const portsOf = (service: ServiceView): readonly Fact[] =>
  service.ports.map(({ name, protocol, port, targetPort, nodePort }) => [
    name ?? 'port',
    `${port}/${protocol} -> ${targetPort ?? port}${nodePort === undefined ? '' : `, node port ${nodePort}`}`,
  ]);

function policiesOf(service: ServiceView): readonly Fact[] {
  const facts: Fact[] = [];
  const { selector, internalTrafficPolicy, externalTrafficPolicy, affinityTimeoutS, trafficDistribution } = service;
  facts.push([
    'Selector',
    selector === undefined
      ? 'none'
      : Object.entries(selector)
          .map(([k, v]) => `${k}=${v}`)
          .join(', ') || 'empty',
  ]);
  if (service.type === 'ExternalName') return facts;
  facts.push([
    'Session affinity',
    affinityTimeoutS === undefined ? 'None: every connection is drawn anew' : `ClientIP, ${affinityTimeoutS} s`,
  ]);
  if (internalTrafficPolicy !== undefined) facts.push(['Internal traffic', internalTrafficPolicy]);
  if (externalTrafficPolicy !== undefined) facts.push(['External traffic', externalTrafficPolicy]);
  if (trafficDistribution !== undefined) facts.push(['Distribution', trafficDistribution]);
  if (service.healthCheckNodePort !== undefined) facts.push(['Health check port', String(service.healthCheckNodePort)]);
  if (service.loadBalancerSourceRanges.length > 0) facts.push(['Source ranges', service.loadBalancerSourceRanges.join(', ')]);
  return facts;
}

function Endpoint({ endpoint }: { readonly endpoint: ServiceEndpointView }) {
  const inspect = useLab((s) => s.inspect);
  const state = endpointState(endpoint);
  const { pod, node, ip, ports } = endpoint;
  return (
    <li className={`endpoint endpoint-${state}`}>
      <span className="endpoint-mark" aria-hidden="true">
        {MARKS[state]}
      </span>
      <span className="mono">{ports.length === 0 ? ip : ports.map((p) => `${ip}:${p.port}`).join(' ')}</span>
      <span className="endpoint-rest">
        {endpointStateText(endpoint)}
        {node !== undefined && `, on ${node}`}
        {pod !== undefined && (
          <>
            {', '}
            <button type="button" onClick={() => inspect(pod)}>
              {pod.replace('/', ' ')}
            </button>
          </>
        )}
      </span>
    </li>
  );
}
