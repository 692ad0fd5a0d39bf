import { type Cidr, formatCidr } from '../../protocol/address.ts';

/**
 * The iptables rules that flannel's daemon keeps on every node beside the bridge plugin with
 * host-gateway routes: pods that talk to the outside are masqueraded, cluster traffic is not, and
 * forwarding of pod traffic is allowed (flannel v0.26, pkg/trafficmngr/iptables/iptables.go,
 * masqRules, forwardRules). In the form that `iptables-restore --noflush` reads.
 */
export function flannelRules(clusterCidr: Cidr, podCidr: Cidr): string {
  const cluster = formatCidr(clusterCidr);
  const own = formatCidr(podCidr);
  const masquerade = '-m comment --comment "flanneld masq"';
  const forward = '-m comment --comment "flanneld forward"';
  return [
    '*nat',
    ':FLANNEL-POSTRTG - [0:0]',
    `-A POSTROUTING ${masquerade} -j FLANNEL-POSTRTG`,
    `-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 ${masquerade} -j RETURN`,
    `-A FLANNEL-POSTRTG -s ${own} -d ${cluster} ${masquerade} -j RETURN`,
    `-A FLANNEL-POSTRTG -s ${cluster} -d ${own} ${masquerade} -j RETURN`,
    `-A FLANNEL-POSTRTG ! -s ${cluster} -d ${own} ${masquerade} -j RETURN`,
    `-A FLANNEL-POSTRTG -s ${cluster} ! -d 224.0.0.0/4 ${masquerade} -j MASQUERADE --random-fully`,
    `-A FLANNEL-POSTRTG ! -s ${cluster} -d ${cluster} ${masquerade} -j MASQUERADE --random-fully`,
    'COMMIT',
    '*filter',
    ':FLANNEL-FWD - [0:0]',
    `-A FORWARD ${forward} -j FLANNEL-FWD`,
    `-A FLANNEL-FWD -s ${cluster} ${forward} -j ACCEPT`,
    `-A FLANNEL-FWD -d ${cluster} ${forward} -j ACCEPT`,
    'COMMIT',
  ].join('\n');
}
