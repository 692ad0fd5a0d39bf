import { err, ok, type Result } from '../../base/result.ts';

/**
 * The sysctls that the model reads, with Linux's defaults (Documentation/networking/ip-sysctl.rst,
 * nf_conntrack-sysctl.rst) and ranges. `DEV` stands for `all`, `default` or a device. A key that is
 * not here has no effect in the model and is refused, so that nobody believes in it.
 */
const KNOWN: Readonly<Record<string, { readonly fallback: number; readonly min: number; readonly max: number }>> = {
  'net.ipv4.ip_forward': { fallback: 0, min: 0, max: 1 },
  'net.ipv4.ip_default_ttl': { fallback: 64, min: 1, max: 255 },
  'net.ipv4.icmp_echo_ignore_all': { fallback: 0, min: 0, max: 1 },
  'net.ipv4.icmp_ratelimit': { fallback: 1000, min: 0, max: 2_147_483_647 },
  'net.ipv4.conf.DEV.rp_filter': { fallback: 0, min: 0, max: 2 },
  'net.ipv4.conf.DEV.route_localnet': { fallback: 0, min: 0, max: 1 },
  'net.ipv4.conf.DEV.accept_local': { fallback: 0, min: 0, max: 1 },
  'net.ipv4.conf.DEV.send_redirects': { fallback: 1, min: 0, max: 1 },
  'net.ipv4.conf.DEV.arp_ignore': { fallback: 0, min: 0, max: 2 },
  'net.ipv4.conf.DEV.arp_announce': { fallback: 0, min: 0, max: 2 },
  'net.ipv4.tcp_syn_retries': { fallback: 6, min: 1, max: 127 },
  'net.ipv4.tcp_synack_retries': { fallback: 5, min: 0, max: 255 },
  // Linux 6.5 sends the first four SYN retransmissions a second apart; 0 gives the older doubling from the start (1, 3, 7, ... s).
  'net.ipv4.tcp_syn_linear_timeouts': { fallback: 0, min: 0, max: 255 },
  'net.ipv4.tcp_retries2': { fallback: 15, min: 0, max: 255 },
  'net.ipv4.neigh.default.mcast_solicit': { fallback: 3, min: 1, max: 100 },
  'net.ipv4.neigh.default.ucast_solicit': { fallback: 3, min: 0, max: 100 },
  'net.ipv4.neigh.default.retrans_time_ms': { fallback: 1000, min: 1, max: 3_600_000 },
  'net.ipv4.neigh.default.base_reachable_time_ms': { fallback: 30_000, min: 1, max: 86_400_000 },
  'net.ipv4.neigh.default.delay_first_probe_time': { fallback: 5, min: 0, max: 3600 },
  'net.bridge.bridge-nf-call-iptables': { fallback: 1, min: 0, max: 1 },
  'net.ipv4.vs.conntrack': { fallback: 0, min: 0, max: 1 },
  'net.ipv4.vs.conn_reuse_mode': { fallback: 1, min: 0, max: 1 },
  'net.ipv4.vs.expire_nodest_conn': { fallback: 0, min: 0, max: 1 },
  'net.ipv4.vs.expire_quiescent_template': { fallback: 0, min: 0, max: 1 },
  'net.netfilter.nf_conntrack_max': { fallback: 262_144, min: 1, max: 2_147_483_647 },
};

const DEVICE_KEY = /^net\.ipv4\.conf\.([^.]+)\.(rp_filter|route_localnet|accept_local|send_redirects|arp_ignore|arp_announce)$/;
const patternOf = (key: string): string => key.replace(DEVICE_KEY, 'net.ipv4.conf.DEV.$2');

/** The sysctls of one network namespace; nothing leaks between namespaces. */
export class Sysctls {
  /** Read on every packet, so kept ready. */
  ipForward = false;
  callIptables = true;
  defaultTtl = 64;
  private readonly values = new Map<string, number>();
  private strictest = 0;

  get(key: string): number {
    const set = this.values.get(key);
    if (set !== undefined) return set;
    const known = KNOWN[patternOf(key)];
    if (!known) throw new Error(`assertion failed: sysctl ${key} is not modelled`);
    return known.fallback;
  }

  isModelled(key: string): boolean {
    return Object.hasOwn(KNOWN, patternOf(key));
  }

  set(key: string, text: string): Result<undefined, string> {
    const known = KNOWN[patternOf(key)];
    if (!known)
      return err(
        `${key} is not modelled; the lab models ${Object.keys(KNOWN)
          .map((k) => k.replace('DEV', 'DEVICE'))
          .join(', ')}`,
      );
    const value = Number(text.trim());
    if (text.trim() === '' || !Number.isInteger(value) || value < known.min || value > known.max)
      return err(`${key}: expected a whole number from ${known.min} to ${known.max}, got ${JSON.stringify(text)}`);
    this.values.set(key, value);
    this.ipForward = this.get('net.ipv4.ip_forward') === 1;
    this.callIptables = this.get('net.bridge.bridge-nf-call-iptables') === 1;
    this.defaultTtl = this.get('net.ipv4.ip_default_ttl');
    this.strictest = 0;
    for (const [k, v] of this.values) if (k.endsWith('.rp_filter')) this.strictest = Math.max(this.strictest, v);
    return ok(undefined);
  }

  /** The larger of `all` and the device's own (ip-sysctl.rst, rp_filter); 0 off, 1 strict, 2 loose. */
  reversePathFilter(device: string): number {
    return this.strictest === 0 ? 0 : Math.max(this.get('net.ipv4.conf.all.rp_filter'), this.forDevice(device, 'rp_filter'));
  }

  /** The larger of `all` and the device's own (include/linux/inetdevice.h, IN_DEV_MAXCONF). */
  arp(device: string, name: 'arp_ignore' | 'arp_announce'): number {
    return Math.max(this.get(`net.ipv4.conf.all.${name}`), this.forDevice(device, name));
  }

  /** On when it is on for `all` or for the device. */
  either(device: string, name: 'route_localnet' | 'accept_local' | 'send_redirects'): boolean {
    return this.get(`net.ipv4.conf.all.${name}`) === 1 || this.forDevice(device, name) === 1;
  }

  view(): Record<string, string> {
    const view: Record<string, string> = {};
    for (const [key, { fallback }] of Object.entries(KNOWN)) if (!key.includes('DEV')) view[key] = String(this.values.get(key) ?? fallback);
    for (const name of ['rp_filter', 'route_localnet', 'accept_local', 'send_redirects', 'arp_ignore', 'arp_announce'])
      view[`net.ipv4.conf.all.${name}`] = String(this.get(`net.ipv4.conf.all.${name}`));
    for (const [key, value] of this.values) view[key] = String(value);
    return view;
  }

  private forDevice(device: string, name: string): number {
    return (
      this.values.get(`net.ipv4.conf.${device}.${name}`) ??
      this.values.get(`net.ipv4.conf.default.${name}`) ??
      KNOWN[`net.ipv4.conf.DEV.${name}`]?.fallback ??
      0
    );
  }
}
