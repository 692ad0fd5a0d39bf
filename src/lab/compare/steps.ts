import { natText, placeText } from '../../explain/rule-sentence.ts';
import { sentence } from '../../explain/sentence.ts';
import { formatIp } from '../../protocol/address.ts';
import type { EventOf, HookName, IpvsStep, LabEvent, NatRewrite, RuleMatch } from '../../protocol/event.ts';
import { placeTitle } from '../journey/hops.ts';
import { costOf, type PacketCost } from './packets.ts';

/** What is done to the packet, as colours and marks tell it. */
export type Tone = 'quiet' | 'rewrite' | 'back' | 'drop';

/** One stop of a packet on its way, for a row of the comparison. */
export interface Step {
  /** The same in every run in which the packet makes this stop; runs are aligned by it. */
  readonly key: string;
  readonly netns: string;
  /** Of a node a hook, `route` or the end; of another namespace its name. */
  readonly label: string;
  /** br_netfilter shows a frame that the bridge has to this hook. */
  readonly bridged: boolean;
  /** Rules may be asked here. */
  readonly atHook: boolean;
  readonly title: string;
  /** The rewrite or the route, exactly; may be empty. */
  readonly detail: string;
  /** Which table and chain decided; empty where none did. */
  readonly where: string;
  /** In few words what decided: a table, and how it draws. */
  readonly by: string;
  /** What is to be compared: the same in two runs when the same happens, also to another endpoint. */
  readonly what: string;
  readonly tone: Tone;
  /** An endpoint is chosen here. */
  readonly chooses: boolean;
  /** Here it is decided that the packet will be masqueraded. */
  readonly marks: boolean;
  readonly masquerades: boolean;
  readonly cost: PacketCost;
}

/** Events between two stops belong to the stop before them. */
interface Stop {
  readonly netns: string;
  readonly label: string;
  readonly events: LabEvent[];
}

/**
 * The stops of one packet. A node shows every hook; what lies between is in a pod or outside and is one stop.
 * `endpoint`: `address:port` that serves in this run.
 */
export function stepsOf(packet: readonly LabEvent[], endpoint: string | undefined): readonly Step[] {
  const stops: Stop[] = [];
  for (const event of packet) {
    const last = stops.at(-1);
    const label = isNode(event.netns) ? nodeLabel(event, last?.netns === event.netns) : placeTitle(event.netns);
    const begins = label !== undefined && (isNode(event.netns) || last?.netns !== event.netns);
    // What a device of a node does before the first hook begins no stop.
    if (begins) stops.push({ netns: event.netns, label, events: [event] });
    else if (last?.netns === event.netns) last.events.push(event);
  }
  const seen = new Map<string, number>();
  const ordinals = new Map<string, string>();
  return stops
    .filter(({ netns }) => netns !== 'external/underlay')
    .map((stop) => {
      const base = `${roleOf(stop.netns, ordinals)} ${isNode(stop.netns) ? stop.label : ''}`;
      const n = (seen.get(base) ?? 0) + 1;
      seen.set(base, n);
      const told = isNode(stop.netns) && isHook(stop) ? hookStep(stop, stop.events[0] as EventOf<'hook'>) : plainStep(stop);
      return { key: `${base} ${n}`, what: withoutEndpoint([told.title, told.detail, told.where].join('\n'), endpoint), ...told };
    });
}

const isNode = (netns: string): boolean => netns.startsWith('node/');
const isHook = ({ events }: Stop): boolean => events[0]?.type === 'hook';

/** What a node's event begins; undefined when it goes on with what was. */
function nodeLabel(event: LabEvent, goesOn: boolean): string | undefined {
  switch (event.type) {
    case 'hook':
      return event.data.hook;
    case 'route':
      return 'route';
    case 'deliver':
      return 'delivered';
    case 'drop':
      // A rule's drop belongs to its hook.
      return goesOn &&
        (event.data.reason === 'droppedByRule' || event.data.reason === 'rejectedByRule' || event.data.reason === 'ipvsNoServer')
        ? undefined
        : 'dropped';
    default:
      return undefined;
  }
}

/** An address is no difference where two runs only chose another endpoint. */
function withoutEndpoint(text: string, endpoint: string | undefined): string {
  const address = endpoint?.slice(0, endpoint.lastIndexOf(':'));
  return address === undefined || address === '' ? text : text.replaceAll(address, 'ENDPOINT');
}

/** The second node of one run is the second node of the other, also where another endpoint was chosen. */
function roleOf(netns: string, ordinals: Map<string, string>): string {
  const kind = netns.slice(0, netns.indexOf('/'));
  if (kind === 'external') return netns;
  const known = ordinals.get(netns);
  if (known !== undefined) return known;
  const role = `${kind} ${[...ordinals.keys()].filter((other) => other.startsWith(`${kind}/`)).length + 1}`;
  ordinals.set(netns, role);
  return role;
}

type Told = Omit<Step, 'key' | 'what'>;

const PLAIN = {
  bridged: false,
  atHook: false,
  where: '',
  by: '',
  tone: 'quiet',
  chooses: false,
  marks: false,
  masquerades: false,
} as const;

function plainStep({ netns, label, events }: Stop): Told {
  const cost = costOf(events);
  const drop = events.find((event) => event.type === 'drop');
  const telling = drop ?? events.find((event) => event.type === 'deliver') ?? events.find((event) => event.type === 'route') ?? events[0];
  const { title, detail } = telling ? sentence(telling) : { title: '', detail: '' };
  const short = telling?.type === 'deliver' || telling?.type === 'drop' ? '' : detail;
  return { netns, label, title, detail: short, cost, ...PLAIN, tone: drop ? 'drop' : 'quiet' };
}

function hookStep({ netns, label, events }: Stop, hook: EventOf<'hook'>): Told {
  const rules = dataOf(events, 'rule');
  const walks = dataOf(events, 'chain');
  const rewrites = dataOf(events, 'nat');
  const ipvs = dataOf(events, 'ipvs').filter((step) => step.verdict !== 'expired');
  const base = { netns, label, cost: costOf(events), ...PLAIN, bridged: hook.data.bridged, atHook: true };
  const marks = rules.some(isMasqueradeMark);
  const refused = walks.find((walk) => walk.verdict === 'drop' || walk.verdict === 'reject');
  if (refused) {
    const by = refused.decidedBy ? placeText(refused.decidedBy) : `${refused.table} ${refused.chain}`;
    return {
      ...base,
      title: refused.verdict === 'drop' ? 'Dropped by a rule' : 'Rejected by a rule',
      detail: textOf(rules.at(-1)),
      where: by,
      tone: 'drop',
    };
  }
  const step = ipvs[0];
  if (step) return { ...base, ...ipvsStep(step, hook.data.hook), marks };
  const destination = rewrites.find((rewrite) => rewrite.manip === 'destination' && !rewrite.undo);
  const source = rewrites.find((rewrite) => rewrite.manip === 'source' && !rewrite.undo);
  const undone = rewrites.find((rewrite) => rewrite.undo);
  const decided = walks.find((walk) => walk.verdict === 'dnat' || walk.verdict === 'masquerade' || walk.verdict === 'snat');
  const where = decided?.decidedBy ? placeText(decided.decidedBy) : '';
  if (destination) {
    const chooser = rules.find(isChooser);
    const title = decided ? 'An endpoint is chosen; DNAT' : 'conntrack repeats the DNAT: the nat table is not asked';
    const chosenBy = chooser && placeText(chooser.place) !== where ? `${placeText(chooser.place)}, then ${where}` : where;
    return {
      ...base,
      title: marks ? `${title}; marked for masquerading` : title,
      detail: natText(destination),
      where: decided ? chosenBy : `conntrack entry ${destination.entry}`,
      by: decided ? `table ${decided.table}, ${decided.framework === 'nftables' ? 'by numgen' : 'rule by rule'}` : '',
      tone: 'rewrite',
      chooses: decided !== undefined,
      marks,
    };
  }
  if (source) {
    const title = decided ? 'Masqueraded: the source becomes this node' : 'conntrack repeats the masquerading';
    return {
      ...base,
      title,
      detail: natText(source),
      where: decided ? where : `conntrack entry ${source.entry}`,
      tone: 'rewrite',
      masquerades: true,
    };
  }
  if (undone)
    return { ...base, title: 'conntrack translates back', detail: allOf(rewrites), where: `conntrack entry ${undone.entry}`, tone: 'back' };
  if (marks)
    return {
      ...base,
      title: 'Marked for masquerading',
      detail: '',
      where: placeText((rules.find(isMasqueradeMark) as RuleMatch).place),
      tone: 'rewrite',
      marks,
    };
  return { ...base, title: 'Passes unchanged', detail: '' };
}

function ipvsStep(step: IpvsStep, hook: HookName): Pick<Step, 'title' | 'detail' | 'where' | 'by' | 'tone' | 'chooses'> {
  const where = `ip_vs at ${hook}`;
  const to = step.real ? `${formatIp(step.real.address)}:${step.real.port}` : '';
  const from = step.virtual ? `${formatIp(step.virtual.address)}:${step.virtual.port}` : '';
  switch (step.verdict) {
    case 'toServer': {
      const chosen = step.chosenBy === 'scheduler' || step.chosenBy === 'template';
      const title = !chosen
        ? 'IPVS knows the connection; DNAT'
        : step.chosenBy === 'template'
          ? 'IPVS keeps to the client’s server; DNAT'
          : `IPVS schedules (${step.scheduler ?? 'no scheduler'}); DNAT`;
      return {
        title,
        detail: `DNAT ${from} -> ${to}`,
        where,
        by: `ip_vs, scheduler ${step.scheduler ?? 'unknown'}`,
        tone: 'rewrite',
        chooses: chosen,
      };
    }
    case 'toClient':
      return { title: 'IPVS puts the virtual address back', detail: `${to} -> ${from}`, where, by: '', tone: 'back', chooses: false };
    default:
      return {
        title: step.verdict === 'refused' ? 'IPVS has no server to choose' : 'IPVS drops it',
        detail: from,
        where,
        by: '',
        tone: 'drop',
        chooses: false,
      };
  }
}

/** The rule that chose the endpoint. Of iptables' rules the last takes what no draw before it took, and draws nothing. */
const isChooser = ({ draw, place, action }: RuleMatch): boolean =>
  draw !== undefined || (/^KUBE-SV[CL]-/.test(place.chain) && action.startsWith('jump KUBE-SEP-'));

/** kube-proxy's mark, bit 14 by default, was not there and is now. */
const isMasqueradeMark = ({ mark }: RuleMatch): boolean => mark !== undefined && (mark.after & ~mark.before) !== 0;

/** Its chain is named below it. */
const textOf = (rule: RuleMatch | undefined): string => rule?.text.replace(/^-A \S+ /, '') ?? '';
const allOf = (rewrites: readonly NatRewrite[]): string => rewrites.map(natText).join(', ');

function dataOf<T extends 'rule' | 'chain' | 'nat' | 'ipvs'>(events: readonly LabEvent[], type: T): readonly EventOf<T>['data'][] {
  return events.flatMap((event) => (event.type === type ? [event.data as EventOf<T>['data']] : []));
}
