import type { Ipv4 } from '../../protocol/address.ts';

/**
 * The DNS messages that a client and a server of the lab exchange on port 53 (RFC 1035 section 4.1):
 * one question for an address, one answer. Resolving names is not modelled yet.
 */
const TYPE_A = 1;
const CLASS_IN = 1;
const RECURSION_DESIRED = 0x0100;
const RESPONSE = 0x8000;
const REFUSED = 5;
/** What kubeadm's Corefile sets for names of the cluster. */
const ANSWER_TTL_S = 30;

const u16 = (n: number): string => String.fromCharCode(n >>> 8, n & 255);
const u32 = (n: number): string => u16(n >>> 16) + u16(n & 0xffff);

/** A query for the addresses of `name`, as a binary string. */
export function dnsQuery(id: number, name: string): string {
  const labels = name.split('.').map((label) => String.fromCharCode(label.length) + label);
  return `${u16(id) + u16(RECURSION_DESIRED) + u16(1) + u16(0) + u16(0) + u16(0) + labels.join('')}\0${u16(TYPE_A)}${u16(CLASS_IN)}`;
}

/** The answer to a query of `dnsQuery`: `address`, or REFUSED when there is none. */
export function dnsAnswer(query: string, address: Ipv4 | undefined): string {
  const question = query.slice(12);
  const head =
    query.slice(0, 2) +
    u16(RESPONSE | RECURSION_DESIRED | (address === undefined ? REFUSED : 0)) +
    u16(1) +
    u16(address === undefined ? 0 : 1) +
    u16(0) +
    u16(0);
  // The record's name points back at the question's, twelve octets into the message.
  const record = address === undefined ? '' : u16(0xc00c) + u16(TYPE_A) + u16(CLASS_IN) + u32(ANSWER_TTL_S) + u16(4) + u32(address);
  return head + question + record;
}

/** Whether a datagram has the shape of a query with one question. */
export const isDnsQuery = (data: string): boolean => data.length > 16 && (data.charCodeAt(2) & 0x80) === 0 && data.slice(4, 6) === u16(1);
