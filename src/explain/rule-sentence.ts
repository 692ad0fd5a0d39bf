import { formatIp } from '../protocol/address.ts';
import type { ChainWalk, ConntrackTuple, EventOf, NatRewrite, ProxySync, RuleMatch, RulePlace } from '../protocol/event.ts';
import { probabilityText } from './probability.ts';
import { kernel, kubernetes, type Reference } from './reference.ts';
import type { Sentence, SentenceKind } from './sentence.ts';

/** A rule that matched, as a sentence: where it stands, what it did, and what its chain is for. */
export function ruleMatched(data: RuleMatch): Sentence {
  const chosen = drawText(data);
  return {
    title: `${placeText(data.place)} matches: ${actionText(data)}${chosen === '' ? '' : `, ${chosen}`}`,
    detail: [data.text, skippedText(data.unmatchedBefore), markText(data)].filter((part) => part !== '').join('; '),
    kind: kindOf(data.action),
    reference: referenceOf(data.place),
  };
}

/** A base chain walked to its end, as a sentence: the verdict, who gave it, and the cost. */
export function chainWalked(data: ChainWalk): Sentence {
  const where = `${data.table} ${data.chain}`;
  const lookups = data.lookups > 0 ? ` and ${count(data.lookups, 'lookup')}` : '';
  return {
    title: `${where}: ${verdictText(data)} after ${count(data.rules, 'rule')}${lookups}`,
    detail: `${data.framework} ${data.family}, priority ${data.priority}`,
    kind: data.verdict === 'drop' || data.verdict === 'reject' ? 'drop' : data.verdict === 'accept' ? 'l3' : 'nat',
    reference:
      data.framework === 'iptables'
        ? kernel('net/ipv4/netfilter/ip_tables.c', 'ipt_do_table')
        : kernel('net/netfilter/nf_tables_core.c', 'nft_do_chain'),
  };
}

/** A header rewritten by NAT, as a sentence: `DNAT 10.96.0.20:80 -> 10.244.2.7:8080`. */
export function natRewritten(event: EventOf<'nat'>): Sentence {
  const { data } = event;
  const quoted = data.quoted ? ', in the packet that the ICMP error quotes as well' : '';
  return {
    title: data.undo
      ? `conntrack undoes the translation of this connection${quoted}: ${natText(data)}`
      : `conntrack translates the ${data.manip} address${quoted}: ${natText(data)}`,
    detail: `${tupleText(data.before)} becomes ${tupleText(data.after)}; conntrack entry ${data.entry}`,
    kind: event.direction === 'reply' ? 'reply' : 'nat',
    reference: kernel('net/netfilter/nf_nat_core.c', 'nf_nat_manip_pkt'),
  };
}

/** The rewrite in one line, as labels show it. */
export function natText(data: NatRewrite): string {
  const name = data.manip === 'destination' ? (data.undo ? 'un-SNAT' : 'DNAT') : data.undo ? 'un-DNAT' : 'SNAT';
  const of = (t: ConntrackTuple): string => {
    const address = formatIp(data.manip === 'destination' ? t.dst : t.src);
    return t.protocol === 1 ? address : `${address}:${data.manip === 'destination' ? t.dstPort : t.srcPort}`;
  };
  return `${name} ${of(data.before)} -> ${of(data.after)}`;
}

export function proxySynced(data: ProxySync): Sentence {
  const rules = data.tables.reduce((sum, table) => sum + table.rules, 0);
  return {
    title: `kube-proxy in ${data.mode} mode has written its rules`,
    detail: `${count(rules, 'rule')} in ${count(data.tables.length, 'table')}`,
    kind: 'service',
    reference: kubernetes(`pkg/proxy/${data.mode}/proxier.go`),
  };
}

/** `nat KUBE-SERVICES, rule 3`; a policy is `filter FORWARD, its policy`. */
export function placeText(place: RulePlace): string {
  const chain = `${place.table} ${place.chain}`;
  return place.rule === 0 ? `${chain}, its policy` : `${chain}, rule ${place.rule}`;
}

/** What a chain of kube-proxy is for, by its name; undefined for a chain that is not kube-proxy's. */
export function chainPurpose(chain: string): string | undefined {
  for (const [prefix, purpose] of PURPOSES) if (chain.startsWith(prefix)) return purpose;
  return undefined;
}

const PURPOSES: readonly (readonly [prefix: string, purpose: string])[] = [
  ['KUBE-SVC-', 'which chooses among all endpoints of the Service'],
  ['KUBE-SVL-', 'which chooses among the endpoints on this node'],
  ['KUBE-EXT-', 'which handles traffic from outside the cluster'],
  ['KUBE-FW-', 'which checks the allowed source ranges'],
  ['KUBE-SEP-', 'which translates to one endpoint'],
  ['KUBE-MARK-MASQ', 'which marks the packet for masquerading'],
  ['KUBE-SERVICES', 'which knows every Service address'],
  ['KUBE-NODEPORTS', 'which knows every node port'],
  ['KUBE-EXTERNAL-SERVICES', 'which turns away what has no endpoint'],
  ['KUBE-POSTROUTING', 'which masquerades what was marked'],
  ['KUBE-FORWARD', 'which lets forwarded Service traffic pass'],
  ['KUBE-PROXY-FIREWALL', 'which drops what a source range refused'],
  ['KUBE-FIREWALL', 'which guards addresses of 127.0.0.0/8'],
  ['service-', 'which chooses among all endpoints of the Service'],
  ['local-', 'which chooses among the endpoints on this node'],
  ['external-', 'which handles traffic from outside the cluster'],
  ['endpoint-', 'which translates to one endpoint'],
  ['firewall-', 'which checks the allowed source ranges'],
  ['services', 'which knows every Service address'],
  ['masquerading', 'which masquerades what was marked'],
];

/** What a matched rule did, in words. */
export function actionText(data: RuleMatch): string {
  const [verb = '', ...rest] = data.action.split(' ');
  const object = rest.join(' ');
  switch (verb) {
    case 'jump':
    case 'goto': {
      const purpose = chainPurpose(object);
      return `on to ${object}${purpose === undefined ? '' : `, ${purpose}`}`;
    }
    case 'dnat':
      return `the destination becomes ${object}`;
    case 'snat':
      return `the source becomes ${object}`;
    case 'masquerade':
      return 'the source becomes the address of the outgoing device';
    case 'return':
      return 'back to the calling chain';
    case 'mark':
    case 'continue':
      return data.mark ? `the mark becomes 0x${data.mark.after.toString(16)}` : 'nothing is decided, the next rule follows';
    case 'accept':
      return 'accepted by this table';
    case 'drop':
      return 'the packet is dropped';
    case 'reject':
      return `the packet is refused (${object || 'icmp-port-unreachable'})`;
    default:
      return data.action;
  }
}

/** The draw of a rule in words; empty where nothing was drawn. */
export function drawText({ draw }: RuleMatch): string {
  if (!draw) return '';
  if (draw.pick?.of === 1) return 'nothing to draw: there is only one to choose';
  if (draw.pick) return `drew ${draw.pick.chosen} of 0 to ${draw.pick.of - 1}: a chance of ${probabilityText(draw.probability)}`;
  return `drawn: a chance of ${probabilityText(draw.probability)}, and it came out`;
}

const skippedText = (n: number): string => (n === 0 ? '' : `${count(n, 'rule')} before it did not match`);

const markText = ({ mark }: RuleMatch): string => (mark ? `mark 0x${mark.before.toString(16)} -> 0x${mark.after.toString(16)}` : '');

function kindOf(action: string): SentenceKind {
  if (/^(drop|reject)/.test(action)) return 'drop';
  if (/^(dnat|snat|masquerade|redirect)/.test(action)) return 'nat';
  return /KUBE-(SVC|SVL|EXT|SERVICES|NODEPORTS)|(service|external|local)-/.test(action) ? 'service' : 'l3';
}

/** What a base chain decided, in words. */
export function verdictText({ verdict, decidedBy }: ChainWalk): string {
  const by = decidedBy === undefined || decidedBy.rule !== 0 ? '' : ' by its policy';
  switch (verdict) {
    case 'accept':
      return `accepted${by}`;
    case 'drop':
      return `dropped${by}`;
    case 'reject':
      return 'rejected';
    case 'dnat':
      return 'a new destination for this connection';
    case 'snat':
    case 'masquerade':
      return 'a new source for this connection';
    case 'redirect':
      return 'redirected to this host';
  }
}

function referenceOf(place: RulePlace): Reference {
  if (chainPurpose(place.chain) === undefined || /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/.test(place.chain))
    return place.framework === 'iptables'
      ? kernel('net/ipv4/netfilter/ip_tables.c', 'ipt_do_table')
      : kernel('net/netfilter/nf_tables_core.c', 'nft_do_chain');
  return kubernetes(`pkg/proxy/${place.framework}/proxier.go`);
}

function tupleText(t: ConntrackTuple): string {
  if (t.protocol === 1) return `${formatIp(t.src)} > ${formatIp(t.dst)}`;
  return `${formatIp(t.src)}:${t.srcPort} > ${formatIp(t.dst)}:${t.dstPort}`;
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
