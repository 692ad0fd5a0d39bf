import { sha256 } from './sha256.ts';

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The first characters of the base32 form (RFC 4648) of a text's SHA-256 digest. */
function hashPrefix(text: string, characters: number): string {
  const words = sha256(text);
  let out = '';
  for (let i = 0; i < characters; i++) {
    const bit = i * 5;
    const word = words[bit >> 5] as number;
    const offset = bit & 31;
    const value = offset <= 27 ? word >>> (27 - offset) : (word << (offset - 27)) | ((words[(bit >> 5) + 1] as number) >>> (59 - offset));
    out += BASE32[value & 31];
  }
  return out;
}

/**
 * The hash that ends the names of an iptables chain (pkg/proxy/iptables/proxier.go, portProtoHash and
 * servicePortEndpointChainName). `endpoint` is `ip:port`, for KUBE-SEP only.
 */
export const iptablesHash = (servicePortName: string, protocol: string, endpoint = ''): string =>
  hashPrefix(servicePortName + protocol + endpoint, 16);

/** nftables allows 256 characters (knftables.NameLengthMax), of which 16 are kept for the longest prefix. */
const NFTABLES_BASE_LENGTH_MAX = 240;

/** What follows `service-`, `local-`, `external-` or `firewall-` in the name of an nftables chain. */
export const nftablesServiceBase = (namespace: string, service: string, protocol: string, portName: string): string =>
  nftablesBase(`${namespace}/${service}/${protocol}/${portName}`);

/** What follows `endpoint-` or `affinity-`. Colons are not allowed in names of chains. */
export const nftablesEndpointBase = (
  namespace: string,
  service: string,
  protocol: string,
  portName: string,
  address: string,
  port: number,
): string => nftablesBase(`${namespace}/${service}/${protocol}/${portName}__${address.replaceAll(':', '.')}/${port}`);

/** pkg/proxy/nftables/proxier.go, hashAndTruncate. */
function nftablesBase(name: string): string {
  const base = `${hashPrefix(name, 8)}-${name}`;
  return base.length > NFTABLES_BASE_LENGTH_MAX ? `${base.slice(0, NFTABLES_BASE_LENGTH_MAX - 3)}...` : base;
}
