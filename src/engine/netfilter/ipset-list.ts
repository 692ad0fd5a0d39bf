import type { IpSetType } from './ipset/model.ts';
import type { IpSet, IpSets } from './ipset.ts';
import { headerText, inOrder, memberText } from './ipset-text.ts';

/** What `ipset list` prints, of ipset v7.17. */
export function listSets(sets: IpSets): string {
  return sets.all().map(listSet).join('\n');
}

function listSet(set: IpSet): string {
  const lines = [
    `Name: ${set.name}`,
    `Type: ${set.type}`,
    `Revision: ${TYPES[set.type].revision}`,
    `Header: ${headerText(set)}`,
    `Size in memory: ${memorySize(set)}`,
    `References: ${set.references}`,
    `Number of entries: ${set.count}`,
    'Members:',
  ];
  for (const element of inOrder(set)) lines.push(memberText(set, element));
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * Of each type: its revision, and for IPv4 and IPv6 the octets of an empty set and those of one element (Linux 6.18
 * on a machine of 64 bits). Sets with networks count how many there are of each length, which IPv6 has more of.
 */
const TYPES: Readonly<Record<IpSetType, { readonly revision: number; readonly inet: Size; readonly inet6: Size }>> = {
  'hash:ip': { revision: 6, inet: [216, 4], inet6: [224, 16] },
  'hash:net': { revision: 7, inet: [456, 8], inet6: [1240, 20] },
  'hash:ip,port': { revision: 7, inet: [216, 8], inet6: [232, 20] },
  'hash:ip,port,ip': { revision: 6, inet: [208, 12], inet6: [232, 36] },
  'hash:ip,port,net': { revision: 8, inet: [464, 12], inet6: [1256, 36] },
  'hash:net,port': { revision: 8, inet: [456, 8], inet6: [1240, 20] },
  'bitmap:port': { revision: 3, inet: [72, 0], inet6: [72, 0] },
  'list:set': { revision: 3, inet: [80, 48], inet6: [80, 48] },
};

type Size = readonly [empty: number, element: number];

/** struct hbucket of net/netfilter/ipset/ip_set_hash_gen.h, and how many elements it starts with. */
const BUCKET = 32;
const BUCKET_ELEMENTS = 2;
/** HTABLE_REGION_BITS: a lock and counters for every 1024 buckets. */
const REGION_BUCKETS = 1024;
const REGION = 24;
const COMMENT_POINTER = 8;
/** struct ip_set_comment_rcu, and the zero at the end. */
const COMMENT = 17;

/** As if no two elements shared a bucket, which the seed of the hash decides. */
function memorySize(set: IpSet): number {
  const { comments, family, hashSize, range } = set.options;
  const [empty, element] = TYPES[set.type][family];
  const size = comments ? Math.ceil(element / 8) * 8 + COMMENT_POINTER : element;
  const texts = [...set.elements].reduce((sum, { comment }) => sum + (comment === undefined ? 0 : comment.length + COMMENT), 0);
  if (set.type === 'list:set') return empty + texts + set.count * size;
  if (set.type === 'bitmap:port') {
    const ports = range.last - range.first + 1;
    return empty + texts + Math.ceil(ports / 64) * 8 + ports * size;
  }
  const regions = Math.max(1, hashSize / REGION_BUCKETS);
  return empty + texts + (regions - 1) * REGION + set.count * (BUCKET + BUCKET_ELEMENTS * size);
}
