import { useMemo, useState } from 'react';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { ServiceInspector } from './ServiceInspector.tsx';
import './services.css';
import { addressesOf, serviceKey, sortedServices } from './service-facts.ts';

/** A list longer than this is searched, not scrolled. */
const LISTED_MAX = 200;

/** All Services, or the one that is looked at. */
export default function ServicesPanel() {
  const topology = useLab((s) => s.topology);
  const key = useLab((s) => s.service);
  const service = topology?.services.find((s) => serviceKey(s) === key);
  if (!topology) return null;
  return service ? <ServiceInspector key={key} service={service} topology={topology} /> : <ServiceList />;
}

function ServiceList() {
  const services = useLab((s) => s.topology?.services);
  const look = useLab((s) => s.lookAtService);
  const shown = useScreen((s) => s.services);
  const [typed, setTyped] = useState('');
  const sorted = useMemo(() => sortedServices(services ?? [], []), [services]);
  const search = typed.trim().toLowerCase();
  const found = sorted.filter((s) => `${serviceKey(s)} ${s.type} ${addressesOf(s).join(' ')}`.toLowerCase().includes(search));
  if (sorted.length === 0) return <p className="empty">No Service in this cluster. Add one under Manifests.</p>;
  return (
    <div className="services" data-testid="services">
      <div className="services-head">
        <input
          className="field"
          type="search"
          placeholder="Search names and addresses"
          aria-label="Search Services"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        <div className="services-bar">
          <button type="button" className="button" aria-pressed={shown} onClick={() => useScreen.getState().toggleServices()}>
            {shown ? 'Hide on the map' : 'Show on the map'}
          </button>
        </div>
      </div>
      <ul>
        {found.slice(0, LISTED_MAX).map((service) => (
          <li key={serviceKey(service)}>
            <button type="button" className="services-item" data-testid="services-item" onClick={() => look(serviceKey(service))}>
              <b>{serviceKey(service)}</b>
              <span>{service.type}</span>
              <span className="mono">
                {addressesOf(service)
                  .map(([, address]) => address)
                  .join(' ')}
              </span>
              <span>{service.endpointCount === 1 ? '1 endpoint' : `${service.endpointCount} endpoints`}</span>
            </button>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="empty">No Service is called that.</p>}
      {found.length > LISTED_MAX && <p className="empty">{`And ${found.length - LISTED_MAX} more: search for one.`}</p>}
    </div>
  );
}
