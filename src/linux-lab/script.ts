import { formatIp } from '../protocol/address.ts';
import type { LinuxLabInput, RulesInput } from '../protocol/linux-lab.ts';
import type { NetnsView } from '../protocol/view.ts';
import capturePy from './capture.py?raw';
import { digest } from './device-names.ts';
import listenPy from './listen.py?raw';
import { type Cable, cablesOf, commandsOf, type NamespaceCommands } from './network.ts';
import probePy from './probe.py?raw';
import { sourcesOf, targetsOf } from './targets.ts';

/** A namespace costs a process and some ten commands; more than these are no lab for one machine. */
export const NAMESPACES_MAX = 400;

/** A bash script that builds the scenario's network on a Linux machine, out of namespaces and the machine's own tools. */
export function linuxLabScript(input: LinuxLabInput): string {
  const commands = input.namespaces.map(commandsOf);
  const cables = cablesOf(input.namespaces);
  const rules = [...input.rules];
  const uses = (what: keyof RulesInput): boolean => rules.some(([, own]) => own[what] !== '');
  const body = [
    buildSection(input.namespaces, commands, cables),
    ruleSection(rules),
    virtualServerSection(rules),
    listenSection(input),
    probeSection(input),
    COMMANDS,
    heredocFunction('listen_py', listenPy),
    heredocFunction('probe_py', probePy),
    heredocFunction('capture_py', capturePy),
    DISPATCH,
  ].join('\n\n');
  const tools = [
    'ip',
    'nsenter',
    'unshare',
    'python3',
    'sysctl',
    'pgrep',
    'awk',
    ...(uses('iptables') ? ['iptables-restore', 'iptables-save'] : []),
    ...(uses('nftables') ? ['nft'] : []),
    ...(uses('sets') ? ['ipset'] : []),
    ...(uses('virtualServers') ? ['ipvsadm'] : []),
  ];
  const name = `hoplab-${digest(body)}`;
  return `${header(input, name, tools)}\n\n${body}\n`;
}

/** Inside single quotes of bash. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const oneLine = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200);

function header({ topology }: LinuxLabInput, name: string, tools: readonly string[]): string {
  return `#!/usr/bin/env bash
# ${oneLine(topology.title)}
#
# The network of a Kubernetes cluster on one Linux machine: a network namespace for each node, each pod and each
# machine outside, the cables between them, and the routes and rules that Kubernetes and its network plugin would set
# up. Nothing outside of these namespaces is changed; "down" removes all of it.
#
#   $0 up                        builds it, and starts what the pods serve
#   $0 probe FROM TO             tries one thing: connected, refused, unreachable, timeout, or http with its status
#   $0 capture FROM TO           the same, and prints every frame that crossed any device
#   $0 shell WHERE [COMMAND]     a shell, or one command, in a namespace
#   $0 forget                    flushes neighbours, learned stations, tracked connections, session affinity and counters
#   $0 tables                    what the nodes remember: connections, and packets by rule
#   $0 status                    what is there
#   $0 down                      takes it away
#
# FROM and WHERE: pod/NAMESPACE/NAME, node/NAME or external. TO: host:port, an address (ping), a URL, or pod/..., node/...,
# svc/NAMESPACE/NAME, external, each with :port if need be. Options after them: --proto tcp|udp|icmp|http, --timeout SECONDS, --source-port N (probe takes several with commas between: it tries once from each).
#
# Run it as root, or without being root inside: unshare -Urn bash
# Written by Hoplab from a scenario with ${topology.nodes.length} nodes, ${topology.pods.length} pods and kube-proxy in ${topology.proxyMode} mode.
set -euo pipefail

NAME=${name}
MODE=${topology.proxyMode}
STATE="\${TMPDIR:-/tmp}/$NAME-$(id -u)"
PATH="$PATH:/usr/sbin:/sbin"
declare -A PID=()

say() { printf '%s\\n' "$*" >&2; }
die() { say "$0: $*"; exit 2; }

# Namespaces live as long as a sleeping process in them does. Its name says to which lab it belongs.
hold() {
  unshare --net bash -c 'exec -a "$0" sleep infinity' "$NAME $1" </dev/null >/dev/null 2>&1 &
  PID[$1]=$!
  disown
  printf '%s\\t%s\\n' "$1" "\${PID[$1]}" >>"$STATE/namespaces"
}
in_ns() { nsenter --net="/proc/\${PID[$1]}/ns/net" "\${@:2}"; }
ours() { [[ "$({ tr '\\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null)" == "$NAME $2 "* ]]; }

load() {
  [[ -f "$STATE/namespaces" ]] || return 0
  while IFS=$'\\t' read -r namespace pid; do PID[$namespace]=$pid; done <"$STATE/namespaces"
}

check() {
  local missing=() tool
  for tool in ${tools.join(' ')}; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  ((\${#missing[@]} == 0)) || die "missing: \${missing[*]}. On Debian and Ubuntu: apt-get install iproute2 procps python3 iptables nftables ipset ipvsadm conntrack kmod"
  unshare --net true 2>/dev/null || die "this needs root, or the network namespace of your own that 'unshare -Urn bash' gives"
  # On a node the kubelet's preflight asks for it: frames that stay on the bridge pass the rules, too.
  modprobe -q br_netfilter 2>/dev/null || true
  [[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]] || say "this kernel has no br_netfilter loaded (as root: modprobe br_netfilter): Services whose endpoint is on the client's own node will not answer"
  kernel_has_ipvs || die "this kernel has no ip_vs, which kube-proxy's IPVS mode needs. As root: modprobe ip_vs; or choose another mode"
}`;
}

const WHAT: Readonly<Record<NetnsView['kind'], string>> = {
  node: "a node: the machine's own network namespace. The bridge is what the CNI bridge plugin makes for the first pod",
  pod: 'a pod: its sandbox (pause) container holds the namespace; the kubelet has the CNI plugin put eth0 into it',
  switch: 'the network between the nodes: a plain Ethernet switch',
  router: 'the router to the outside: it knows the nodes and the addresses of load balancers, and no pods',
  host: 'a machine outside of the cluster',
};

function buildSection(views: readonly NetnsView[], commands: readonly NamespaceCommands[], cables: readonly Cable[]): string {
  const lines = ['build() {', '  # A network namespace for every machine and every pod.'];
  for (const { id } of views) lines.push(`  hold ${quote(id)}`);
  lines.push(
    '  local own; own=$(readlink /proc/self/ns/net)',
    `  for namespace in "\${!PID[@]}"; do`,
    `    until [[ -r "/proc/\${PID[$namespace]}/ns/net" && "$(readlink "/proc/\${PID[$namespace]}/ns/net")" != "$own" ]]; do sleep 0.01; done`,
    '  done',
    '',
    '  # IPv6 stays out of it, and sysctls are as the lab has them.',
  );
  for (const { namespace, sysctls } of commands) {
    lines.push(
      `  settings ${quote(namespace)} <<'END'`,
      'net.ipv6.conf.all.disable_ipv6=1',
      'net.ipv6.conf.default.disable_ipv6=1',
      ...sysctls,
      'END',
    );
  }
  const pods = new Set(views.filter(({ kind }) => kind === 'pod').map(({ id }) => id));
  const ofPod = ({ a, b }: Cable): boolean => pods.has(a.namespace) || pods.has(b.namespace);
  const singleOf = (kind: 'switch' | 'node'): string[] =>
    commands.flatMap(({ namespace, single }, i) =>
      single.length > 0 && (views[i]?.kind === 'switch') === (kind === 'switch') ? [batch(namespace, single)] : [],
    );
  lines.push(
    '',
    '  # The switch between the machines, and their network cards and cables.',
    ...singleOf('switch'),
    ...cables.filter((c) => !ofPod(c)).map(cableCommand),
  );
  // A node has its network card before the plugin makes a bridge; where Linux chooses among devices it takes the oldest.
  lines.push(
    '',
    "  # The nodes' bridges (and kube-proxy's kube-ipvs0), and for each pod a pair: its eth0, and a port of its node's bridge.",
    ...singleOf('node'),
    ...cables.filter(ofPod).map(cableCommand),
  );
  for (const [i, view] of views.entries()) {
    const { namespace, devices } = commands[i] as NamespaceCommands;
    lines.push('', `  # ${view.id}: ${WHAT[view.kind]}.`, batch(namespace, devices));
  }
  lines.push('', '  # Routes: to the pods of other nodes by those nodes (host-gateway), everything else by the router.');
  for (const { namespace, routes } of commands) if (routes.length > 0) lines.push(batch(namespace, routes));
  lines.push('}');
  return lines.join('\n');
}

function cableCommand({ a, b }: Cable): string {
  const make = `ip link add ${a.device} address ${a.mac} type veth peer name ${b.device} address ${b.mac} netns`;
  return `  in_ns ${quote(a.namespace)} ${make} "\${PID[${quote(b.namespace)}]}"`;
}

const batch = (namespace: string, lines: readonly string[]): string =>
  [`  in_ns ${quote(namespace)} ip -batch - <<'END'`, ...lines, 'END'].join('\n');

function ruleSection(rules: readonly (readonly [string, RulesInput])[]): string {
  const lines = [
    '# What kube-proxy writes for Services, and the network plugin for traffic that leaves the cluster. On a real node:',
    '# iptables-save, or nft list table ip kube-proxy; in IPVS mode also ipset save and ipvsadm -Sn.',
    'rules() {',
    '  :',
  ];
  for (const [namespace, { iptables, nftables, sets, virtualServers, ipvsTimeouts }] of rules) {
    const feed = (command: string, text: string): void => {
      if (text !== '') lines.push(`  in_ns ${quote(namespace)} ${command} <<'END'`, text.trimEnd(), 'END');
    };
    // Of chains with the same priority the kernel asks the newest first: kube-proxy writes before the network plugin does.
    feed('nft -f -', nftables);
    feed('ipset restore', sets);
    feed('iptables-restore', iptables);
    if (virtualServers !== '')
      lines.push(
        `  virtual_servers ${quote(namespace)} | in_ns ${quote(namespace)} ipvsadm -R`,
        `  in_ns ${quote(namespace)} ipvsadm --set ${ipvsTimeouts}`,
      );
  }
  lines.push('}');
  return lines.join('\n');
}

/** In IPVS mode the kernel keeps the Services, and who has the next turn: forgetting that means writing them anew. */
function virtualServerSection(rules: readonly (readonly [string, RulesInput])[]): string {
  const withServers = rules.filter(([, { virtualServers }]) => virtualServers !== '');
  if (withServers.length === 0) return 'kernel_has_ipvs() { :; }\nforget_turns() { :; }';
  const cases = withServers.map(
    ([namespace, { virtualServers }]) => `    ${quote(namespace)}) cat <<'END'\n${virtualServers.trimEnd()}\nEND\n      ;;`,
  );
  const schedulers = [
    ...new Set(withServers.flatMap(([, { virtualServers }]) => [...virtualServers.matchAll(/^-A .* -s (\w+)/gm)].map((m) => m[1]))),
  ];
  return `# kube-proxy's virtual servers, the newest real server of each last.
virtual_servers() {
  case $1 in
${cases.join('\n')}
  esac
}
kernel_has_ipvs() {
  local module
  for module in ip_vs ${schedulers.map((name) => `ip_vs_${name}`).join(' ')} xt_ipvs; do modprobe -q "$module" 2>/dev/null || true; done
  [[ -e /proc/net/ip_vs ]]
}
forget_turns() {
  local node
  for node in ${withServers.map(([namespace]) => quote(namespace)).join(' ')}; do
    in_ns "$node" ipvsadm -C
    virtual_servers "$node" | in_ns "$node" ipvsadm -R
  done
}`;
}

/** Every socket that waits for clients, wherever the lab has one. */
function listenSection({ namespaces, statuses, dnsAnswer }: LinuxLabInput): string {
  const lines: string[] = [];
  for (const view of namespaces) {
    for (const { protocol, state, localAddress, localPort, process } of view.sockets) {
      if (protocol === 'icmp' || (state !== 'LISTEN' && state !== 'UNCONN')) continue;
      const status = statuses.get(`${view.id} ${localPort}`) ?? '200 OK';
      lines.push([view.id, '@', protocol, formatIp(localAddress), localPort, status, oneLine(process)].join('\t'));
    }
  }
  return `# What the containers serve: a small program that answers HTTP with who served whom, and sends anything else back.
listeners() {
  cat <<'END'
${lines.join('\n')}${lines.length > 0 ? '\n' : ''}END
}
serve() {
  mkfifo "$STATE/ready"
  listeners | while IFS=$'\\t' read -r namespace _ rest; do printf '%s\\t%s\\t%s\\n' "$namespace" "\${PID[$namespace]}" "$rest"; done |
    bash -c 'exec -a "$0" python3 -c "$1" "$2"' "$NAME listen" "$(listen_py)" ${quote(dnsAnswer)} >"$STATE/ready" 2>"$STATE/listen.log" &
  disown
  local answer=""
  read -r -t 30 answer <"$STATE/ready" || true
  [[ "$answer" == READY ]] || die "the servers did not start: $(cat "$STATE/listen.log")"
  rm -f "$STATE/ready"
}`;
}

function probeSection({ topology }: LinuxLabInput): string {
  return `# Names, the addresses they stand for, and the port that is meant without one.
targets() {
  cat <<'END'
${targetsOf(topology).join('\n')}
END
}
sources() {
  cat <<'END'
${sourcesOf(topology).join('\n')}
END
}`;
}

const COMMANDS = `# Settings on stdin; a kernel that does not know one goes without it.
settings() { in_ns "$1" sysctl -q -e -p - 2>/dev/null || true; }

up() {
  check
  [[ ! -e "$STATE" ]] || die "it is up already, or was not taken down: $0 down"
  mkdir "$STATE"
  chmod 700 "$STATE"
  trap 'say "interrupted: taking it down"; down; exit 130' INT TERM HUP
  trap 'say "failed: taking it down"; down' ERR
  build
  rules
  serve
  trap - INT TERM HUP ERR
  say "up: $0 status"
}

down() {
  trap '' INT TERM HUP
  set +e
  [[ -d "$STATE" ]] || { say "nothing to take down"; return 0; }
  load
  local namespace pid
  for pid in $(pgrep -f "^$NAME listen" 2>/dev/null); do kill "$pid" 2>/dev/null; done
  for namespace in "\${!PID[@]}"; do
    pid=\${PID[$namespace]}
    # Only processes that this script started; their namespaces go with them.
    if ours "$pid" "$namespace"; then kill "$pid" 2>/dev/null; fi
  done
  for namespace in "\${!PID[@]}"; do while ours "\${PID[$namespace]}" "$namespace"; do sleep 0.01; done; done
  rm -rf "$STATE"
}

status() {
  [[ -d "$STATE" ]] || { say "it is down"; return 1; }
  load
  local namespace
  while read -r namespace; do
    ours "\${PID[$namespace]}" "$namespace" || { printf '%s\\tgone\\n' "$namespace"; continue; }
    printf '%s\\t%s\\n' "$namespace" "$(in_ns "$namespace" ip -4 -brief address show | awk '$1 != "lo" {printf "%s %s  ", $1, $3}')"
  done < <(printf '%s\\n' "\${!PID[@]}" | sort)
}

# Sets: namespace, protocol, address, port, host, path, source_port, seconds.
understand() {
  local from=\${1-} to=\${2-}
  shift 2 || die "expected FROM and TO"
  protocol="" source_port=0 seconds=5 host="" path=/ port="" address=""
  while (($# > 0)); do
    case $1 in
      --proto) protocol=\${2-}; shift 2 ;;
      --timeout) seconds=\${2-}; shift 2 ;;
      --source-port) source_port=\${2-}; shift 2 ;;
      *) die "$1 is not understood" ;;
    esac
  done
  [[ "$from" == pod/*/*/* ]] && from=\${from%/*}
  namespace=$(awk -v from="$from" '$1 == from {print $2; exit}' < <(sources))
  [[ -n "$namespace" ]] || die "there is no $from here; one of: $(sources | cut -d' ' -f1 | head -20 | tr '\\n' ' ')"
  if [[ "$to" =~ ^(https?)://([^/:]+)(:([0-9]+))?(/.*)?$ ]]; then
    host=\${BASH_REMATCH[2]} path=\${BASH_REMATCH[5]:-/} port=\${BASH_REMATCH[4]}
    [[ -n "$port" ]] || { [[ \${BASH_REMATCH[1]} == https ]] && port=443 || port=80; }
    protocol=\${protocol:-http} address=$host
  else
    local line
    line=$(awk -v to="$to" '$1 == to {print $2, $3; exit}' < <(targets))
    if [[ -n "$line" ]]; then
      address=\${line% *} port=\${line#* }
    else
      host=\${to%:*}
      [[ "$to" == *:* ]] && port=\${to##*:}
      address=$host
    fi
  fi
  local known
  known=$(awk -v to="$address" '$1 == to {print $2; exit}' < <(targets))
  address=\${known:-$address}
  [[ "$address" == localhost ]] && address=127.0.0.1
  [[ "$address" =~ ^[0-9]+(\\.[0-9]+){3}$ ]] || die "$to is not understood: write an address, host:port, a URL, or one of: $(targets | cut -d' ' -f1 | head -20 | tr '\\n' ' ')"
  host=\${host:-$address}
  if [[ -z "$protocol" ]]; then [[ "\${port:-0}" == 0 ]] && protocol=icmp || protocol=tcp; fi
  [[ "$protocol" =~ ^(tcp|udp|icmp|http)$ ]] || die "--proto: expected tcp, udp, icmp or http, got $protocol"
  [[ "$protocol" != http || "\${port:-0}" != 0 ]] || port=80
  [[ "$protocol" == icmp || "\${port:-0}" =~ ^[1-9][0-9]*$ ]] || die "$to needs a port, as in $to:80"
}

FORGET_LINKS='ip neigh flush all nud all
      for b in $(ip -o link show type bridge | cut -d: -f2); do bridge fdb flush dev "$b" dynamic; done'

# Neighbours, learned stations, tracked connections, session affinity, turns and counters are forgotten: the next probe
# is the first again.
forget() {
  need_up
  local one
  for one in "\${!PID[@]}"; do
    if [[ "$one" == pod/* ]]; then in_ns "$one" ip neigh flush all nud all 2>/dev/null || true; continue; fi
    in_ns "$one" bash -c "$FORGET_LINKS"'
      [[ "$0" == node/* ]] || exit
      for list in /proc/net/xt_recent/*; do [[ ! -w "$list" ]] || echo / >"$list"; done
      iptables -t nat -Z
      [[ $1 != nftables ]] || nft list sets | awk "/^table/ {table = \\$2 \\" \\" \\$3} /set affinity-/ {print \\"flush set \\" table \\" \\" \\$2}" | nft -f -
      conntrack -F' "$one" "$MODE" >/dev/null 2>&1 || true
  done
  # Once more, since a machine that still remembered may just now have asked one that had forgotten.
  for one in "\${!PID[@]}"; do [[ "$one" == pod/* ]] || in_ns "$one" bash -c "$FORGET_LINKS" >/dev/null 2>&1 || true; done
  forget_turns
}

# What the nodes remember: tracked connections, packets by rule of the nat table, and in IPVS mode its connections.
tables() {
  need_up
  local one
  for one in "\${!PID[@]}"; do
    [[ "$one" == node/* ]] || continue
    printf '== %s\\n' "$one"
    in_ns "$one" bash -c 'conntrack -L 2>/dev/null; echo --; iptables-save -c -t nat 2>/dev/null; echo --; [[ ! -e /proc/net/ip_vs ]] || ipvsadm -Lnc'
  done
}

need_up() {
  [[ -d "$STATE" ]] || die "it is not up: $0 up"
  load
}

probe() {
  need_up
  local namespace protocol address port host path source_port seconds
  understand "$@"
  in_ns "$namespace" python3 -c "$(probe_py)" "$protocol" "$address" "\${port:-0}" "$host" "$path" "$source_port" "$seconds"
}

capture() {
  need_up
  local json=0 namespace protocol address port host path source_port seconds words=()
  for word in "$@"; do [[ "$word" == --json ]] && json=1 || words+=("$word"); done
  understand "\${words[@]}"
  for one in "\${!PID[@]}"; do printf '%s\\t%s\\n' "$one" "\${PID[$one]}"; done |
    python3 -c "$(capture_py)" 0.15 "$json" nsenter --net="/proc/\${PID[$namespace]}/ns/net" \\
      python3 -c "$(probe_py)" "$protocol" "$address" "\${port:-0}" "$host" "$path" "$source_port" "$seconds"
}

in_shell() {
  need_up
  local where=\${1-}
  local namespace
  namespace=$(awk -v from="$where" '$1 == from {print $2; exit}' < <(sources))
  namespace=\${namespace:-$where}
  [[ -n "\${PID[$namespace]-}" ]] || die "there is no $where here"
  shift
  if (($# > 0)); then in_ns "$namespace" "$@"; else in_ns "$namespace" bash; fi
}`;

const heredocFunction = (name: string, text: string): string => `${name}() {\n  cat <<'PYTHON'\n${text.trimEnd()}\nPYTHON\n}`;

const DISPATCH = `case \${1-} in
  up) up ;;
  down) down ;;
  status) status ;;
  probe) probe "\${@:2}" ;;
  capture) capture "\${@:2}" ;;
  forget) forget ;;
  tables) tables ;;
  shell) in_shell "\${@:2}" ;;
  *) sed -n '2,23s/^# \\{0,1\\}//p' "$0" | sed "s|\\$0|$0|g"; exit 2 ;;
esac`;
