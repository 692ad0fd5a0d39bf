import { err, ok, type Result } from '../../base/result.ts';
import type { IpAddress } from '../../protocol/address.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import type { ApiObject } from '../k8s/metadata.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';
import { parseIpSloppy } from './addresses.ts';
import { type CaseInput, readCaseInput } from './case-input.ts';
import { answerIpvsCase, type IpvsCase, readIpvsCase } from './case-ipvs.ts';
import { deepEqual } from './deep-equal.ts';
import { canonicalText, chainText } from './iptables/canonical-text.ts';
import { IptablesProxier, type IptablesSync } from './iptables/proxier.ts';
import { BadInput, JsonReader } from './json-reader.ts';
import type { ProxyChanges } from './model.ts';
import { NftablesProxier } from './nftables/proxier.ts';
import { TableContent } from './nftables/table-content.ts';
import type { NoLocalEndpoints } from './traffic.ts';

/** The answer to one case. */
export type CompiledCase = CompiledRuleset | CompiledIpvs;

export interface CompiledRuleset {
  readonly id: string;
  /** iptables: the restore input of the case's sync. nftables: the table after it. Or the rules of the one chain asked for. */
  readonly ruleset: readonly string[];
  /** nftables: how many commands the sync's own transaction had. */
  readonly lastTransactionOperations?: number;
  readonly noLocalEndpoints: NoLocalEndpoints;
}

/** In the mode ipvs: what the case asked for under `expect`. */
export interface CompiledIpvs {
  readonly id: string;
  readonly expect: Readonly<Record<string, unknown>>;
}

interface Case {
  readonly input: CaseInput;
  readonly kind: 'full' | 'partial-sync' | 'chain' | 'assert';
  readonly forcesFullSync: boolean;
  readonly previous: string | undefined;
  readonly table: string | undefined;
  readonly chain: string | undefined;
  readonly ipvs: IpvsCase | undefined;
  readonly place: string;
}

/** Long enough for stale nftables chains to be deleted, not for stale iptables chains of a large cluster. */
const BETWEEN_SYNCS_NS = 2e9;
const SYNC_PERIOD_NS = 30e9;

/** Compiles cases in the form of recorded rulesets: a list of states, some of which follow another of the same list. */
export function compileCases(cases: unknown): Result<readonly CompiledCase[], string> {
  return catching(() => {
    const all = listOfCases(cases).map(readCase);
    const byId = new Map<string, Case>();
    for (const entry of all) {
      if (byId.has(entry.input.id)) throw new BadInput(`${entry.place}: there are two cases ${entry.input.id}`);
      byId.set(entry.input.id, entry);
    }
    return all.map((entry) => compileCase(historyOf(entry, byId)));
  });
}

/** Reads the states of cases whose question is not the ruleset but what becomes of packets. */
export function readCaseInputs(cases: unknown): Result<readonly CaseInput[], string> {
  return catching(() =>
    listOfCases(cases).map((entry) =>
      inCase(entry, () => {
        // What becomes of packets in the mode ipvs is not for rules alone to say.
        entry.object().at('proxyMode').oneOf('iptables', 'nftables');
        return readCaseInput(entry);
      }),
    ),
  );
}

/** The first packet of a connection, as a case describes it. */
export interface CaseFlow {
  readonly name: string;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

const addressOf = (reader: JsonReader): IpAddress => parseIpSloppy(reader.text()) ?? reader.fail('an IP address');

/** The flows of each case, in the order of the cases. */
export function readFlows(cases: unknown): Result<readonly (readonly CaseFlow[])[], string> {
  return catching(() =>
    new JsonReader(cases, '').items().map((entry) =>
      inCase(entry, () =>
        entry
          .at('flows')
          .items()
          .map((flow) => ({
            name: flow.at('name').text(),
            source: addressOf(flow.at('sourceIP')),
            destination: addressOf(flow.at('destIP')),
            protocol: flow.at('protocol').optional((reader) => reader.oneOf('TCP', 'UDP', 'SCTP')) ?? 'TCP',
            port: flow.at('destPort').integer(0, 65_535),
          })),
      ),
    ),
  );
}

/** A file of `null` is no empty list. */
function listOfCases(cases: unknown): JsonReader[] {
  const reader = new JsonReader(cases, 'cases');
  return reader.present ? reader.items() : reader.fail('a list');
}

function catching<T>(read: () => T): Result<T, string> {
  try {
    return ok(read());
  } catch (error) {
    if (error instanceof BadInput) return err(error.message);
    throw error;
  }
}

/** Errors name the case besides the place in the list. */
function inCase<T>(entry: JsonReader, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const id = entry.value !== undefined && typeof entry.value === 'object' ? (entry.value as { id?: unknown }).id : undefined;
    if (error instanceof BadInput && typeof id === 'string') throw new BadInput(`case ${id}: ${error.message}`);
    throw error;
  }
}

function readCase(entry: JsonReader): Case {
  return inCase(entry, () => {
    const input = readCaseInput(entry.object());
    const kind = entry.at('kind').optional((reader) => reader.oneOf('full', 'partial-sync', 'chain', 'assert')) ?? 'full';
    const step = entry.at('step').optional((reader) => reader.text()) ?? '';
    const text = (key: string): string | undefined => entry.at(key).optional((reader) => reader.text());
    if (kind === 'chain' && text('chain') === undefined) entry.at('chain').fail('the name of a chain');
    return {
      input,
      kind,
      // Where a case only makes assertions, its step is all that tells of a sync that was forced to be full.
      forcesFullSync: kind === 'full' || (kind === 'assert' && /\bfull\b/i.test(step)),
      previous: text('previous'),
      table: text('table'),
      chain: text('chain'),
      ipvs: input.proxyMode === 'ipvs' ? readIpvsCase(entry) : undefined,
      place: entry.path,
    };
  });
}

/** The case after all those it follows, oldest first. States under other settings or on another machine cannot be continued. */
function historyOf(entry: Case, byId: ReadonlyMap<string, Case>): readonly Case[] {
  const history = [entry];
  for (let at = entry; at.previous !== undefined; ) {
    const before = byId.get(at.previous);
    if (before === undefined) {
      if (at.kind !== 'partial-sync') break;
      throw new BadInput(`${at.place}.previous: there is no case ${at.previous}`);
    }
    if (history.includes(before)) throw new BadInput(`${at.place}.previous: the cases follow each other in a circle`);
    const { input } = before;
    if (input.proxyMode !== entry.input.proxyMode || !deepEqual(input.node, at.input.node) || !deepEqual(input.config, at.input.config)) {
      break;
    }
    history.unshift(before);
    at = before;
  }
  return history;
}

function compileCase(history: readonly Case[]): CompiledCase {
  const last = history.at(-1) as Case;
  if (last.ipvs !== undefined) return { id: last.input.id, expect: answerIpvsCase(last.input, last.ipvs, steps(history)) };
  return last.input.proxyMode === 'iptables' ? compileIptables(history, last) : compileNftables(history, last);
}

function compileIptables(history: readonly Case[], last: Case): CompiledRuleset {
  const proxier = new IptablesProxier(last.input.node, last.input.config);
  let sync: IptablesSync | undefined;
  for (const { changes, entry, nowNs } of steps(history)) {
    proxier.update(changes);
    if (entry.forcesFullSync && entry.input.proxyMode === 'iptables') proxier.forceFullSync();
    sync = proxier.sync(nowNs);
  }
  const patches = sync?.patches ?? [];
  return {
    id: last.input.id,
    ruleset: last.kind === 'chain' ? chainText(patches, last.table ?? 'filter', last.chain ?? '') : canonicalText(patches),
    noLocalEndpoints: sync?.noLocalEndpoints ?? { internal: 0, external: 0 },
  };
}

function compileNftables(history: readonly Case[], last: Case): CompiledRuleset {
  const proxier = new NftablesProxier(last.input.node, last.input.config);
  const table = new TableContent();
  let operations = 0;
  for (const { changes, nowNs } of steps(history)) {
    proxier.update(changes);
    for (const transaction of proxier.sync(nowNs)) {
      table.apply(transaction);
      operations = transaction.commands.length;
    }
  }
  return {
    id: last.input.id,
    ruleset: last.kind === 'chain' ? table.chainLines(last.chain ?? '') : table.lines(),
    lastTransactionOperations: operations,
    noLocalEndpoints: proxier.noLocalEndpoints,
  };
}

interface Step {
  readonly entry: Case;
  readonly changes: ProxyChanges;
  readonly nowNs: number;
}

/** What each state changes of the one before, and when. A sync without changes is the periodic one. */
function* steps(history: readonly Case[]): Generator<Step> {
  let nowNs = 0;
  let before: Case | undefined;
  for (const entry of history) {
    const { services, endpointSlices } = entry.input.objects;
    const changes: ProxyChanges = {
      services,
      endpointSlices,
      removedServices: gone(before?.input.objects.services ?? [], services),
      removedEndpointSlices: gone(before?.input.objects.endpointSlices ?? [], endpointSlices),
    };
    const unchanged = before !== undefined && deepEqual(before.input.objects, entry.input.objects);
    nowNs += unchanged ? (entry.input.config.syncPeriodNs ?? SYNC_PERIOD_NS) + BETWEEN_SYNCS_NS : BETWEEN_SYNCS_NS;
    yield { entry, changes, nowNs };
    before = entry;
  }
}

const nameOf = (object: ApiObject): string => `${namespaceOf(object)}/${object.metadata?.name ?? ''}`;

function gone(before: readonly (Service | EndpointSlice)[], after: readonly (Service | EndpointSlice)[]): readonly string[] {
  const left = new Set(after.map(nameOf));
  return before.map(nameOf).filter((name) => !left.has(name));
}
