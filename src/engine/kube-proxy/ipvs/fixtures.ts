import { formatIp, type IpAddress } from '../../../protocol/address.ts';
import type { IpvsCommand, RealServer, VirtualServer, VirtualServerKey } from '../../ipvs/model.ts';
import type { EndpointSlice } from '../../k8s/endpoint-slice.ts';
import type { Service, ServicePort, ServiceSpec } from '../../k8s/service.ts';
import type { TableName } from '../../netfilter/iptables/model.ts';
import { parseIpSloppy } from '../addresses.ts';
import { ruleText } from '../iptables/restore-text.ts';
import type { IpvsConfig, ProxyChanges, ProxyConfig } from '../model.ts';
import { elsewhere, HTTP, here, service, TEST_CONFIG, TEST_NODE } from '../object-fixtures.ts';
import { type FoundMachine, IpvsProxier, type IpvsSync } from './proxier.ts';

/* Proxiers for tests, and a machine for them. */

export const ip = (text: string): IpAddress => parseIpSloppy(text) as IpAddress;
export const IPVS: IpvsConfig = { scheduler: 'rr', strictArp: false, excludeCidrs: [], timeouts: { tcp: 0, tcpFin: 0, udp: 0 } };
export const NO_CONNECTIONS = (): number => 0;
export const BUSY = (): number => 1;

export function proxierWith(objects: ProxyChanges, config: Partial<ProxyConfig> = {}, found?: FoundMachine): IpvsProxier {
  const proxier = new IpvsProxier(TEST_NODE, { ...TEST_CONFIG, ...config }, found);
  proxier.update(objects);
  return proxier;
}

export const syncOf = (services: Service[], endpointSlices: EndpointSlice[], config: Partial<ProxyConfig> = {}): IpvsSync =>
  proxierWith({ services, endpointSlices }, config).sync(0, NO_CONNECTIONS);

export function serversOf(services: Service[], endpointSlices: EndpointSlice[], config: Partial<ProxyConfig> = {}): readonly string[] {
  const machine = new TestMachine();
  machine.apply(syncOf(services, endpointSlices, config));
  return machine.lines;
}

/** Rules of a chain, without `-A CHAIN`. */
export function rulesIn(sync: IpvsSync, table: TableName, chain: string): string[] {
  const rules = sync.patches.find((patch) => patch.table === table)?.chains.get(chain) ?? [];
  return rules.map((rule) => ruleText(chain, rule).slice(`-A ${chain} `.length));
}

/** All that a sync would leave if it were the first. */
export function entriesOf(proxier: IpvsProxier): Record<string, readonly string[]> {
  return Object.fromEntries([...proxier.setEntries].filter(([, entries]) => entries.length > 0).map(([name, entries]) => [name, entries]));
}

export const CLUSTER_IP = '172.30.0.41';
export const NODE_PORT: ServicePort = { ...HTTP, nodePort: 30080 };
export const two = [elsewhere('10.0.0.1'), here('10.0.0.2')];
export const web = (spec: ServiceSpec = {}, ingress: { ip: string }[] = []): Service => service('web', CLUSTER_IP, spec, ingress);

/** For tests: takes what a sync says and refuses what Linux would refuse. */
export class TestMachine {
  readonly servers = new Map<string, { settings: Omit<VirtualServer, 'realServers'>; reals: Map<string, RealServer> }>();
  readonly addresses = new Set<string>();
  /** Entries by set, as JSON texts. */
  readonly sets = new Map<string, Set<string>>();

  apply(sync: IpvsSync): void {
    for (const { name } of sync.ensuredSets) if (!this.sets.has(name)) this.sets.set(name, new Set());
    for (const address of sync.addedAddresses) change(this.addresses, formatIp(address), 'add');
    this.run(sync.commands);
    for (const { set, removed, added } of sync.setChanges) {
      const entries = known(this.sets.get(set), set);
      for (const element of removed) change(entries, text(element), 'delete');
      for (const element of added) change(entries, text(element), 'add');
    }
    for (const address of sync.removedAddresses) change(this.addresses, formatIp(address), 'delete');
  }

  run(commands: readonly IpvsCommand[]): void {
    for (const command of commands) this.#runOne(command);
  }

  #runOne(command: IpvsCommand): void {
    switch (command.type) {
      case 'addServer':
        if (this.servers.has(nameOf(command.server))) throw new Error(`there already: ${nameOf(command.server)}`);
        this.servers.set(nameOf(command.server), { settings: command.server, reals: new Map() });
        return;
      case 'editServer':
        known(this.servers.get(nameOf(command.server)), nameOf(command.server)).settings = command.server;
        return;
      case 'deleteServer':
        known(this.servers.get(nameOf(command.server)), nameOf(command.server));
        this.servers.delete(nameOf(command.server));
        return;
      case 'addRealServer':
      case 'editRealServer': {
        const { reals } = known(this.servers.get(nameOf(command.server)), nameOf(command.server));
        const name = nameOf(command.real);
        if (reals.has(name) !== (command.type === 'editRealServer')) throw new Error(`${command.type} ${name}`);
        reals.set(name, command.real);
        return;
      }
      case 'deleteRealServer': {
        const { reals } = known(this.servers.get(nameOf(command.server)), nameOf(command.server));
        if (!reals.delete(nameOf(command))) throw new Error(`not there: ${nameOf(command)}`);
        return;
      }
      case 'setTimeouts':
    }
  }

  /** `10.96.0.1:80/tcp rr > 10.0.0.1:8080 10.0.0.2:8080*0`: a weight is named when it is not 1. */
  get lines(): readonly string[] {
    return [...this.servers.entries()]
      .map(([name, { settings, reals }]) => {
        const persistence = settings.persistenceSeconds === undefined ? '' : ` -p ${settings.persistenceSeconds}`;
        const flags = settings.schedulerFlags.length === 0 ? '' : ` -b flag-${settings.schedulerFlags.join()}`;
        const to = [...reals].map(([real, { weight }]) => (weight === 1 ? real : `${real}*${weight}`)).sort();
        return `${name} ${settings.scheduler}${flags}${persistence} > ${to.join(' ')}`.trimEnd();
      })
      .sort();
  }
}

const nameOf = (key: Pick<VirtualServerKey, 'address' | 'port'> & { readonly protocol?: string }): string =>
  `${formatIp(key.address)}:${key.port}${key.protocol === undefined ? '' : `/${key.protocol}`}`;

const text = (value: unknown): string => JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item));

function known<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`there is no ${name}`);
  return value;
}

function change(set: Set<string>, entry: string, how: 'add' | 'delete'): void {
  if (set.has(entry) === (how === 'add')) throw new Error(`${how} ${entry}`);
  set[how](entry);
}
