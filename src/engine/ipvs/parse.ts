import { err, ok, type Result } from '../../base/result.ts';
import { type IpAddress, parseIpv4, parseIpv6 } from '../../protocol/address.ts';
import {
  type IpvsCommand,
  type IpvsProtocol,
  type RealServer,
  SCHEDULERS,
  type SchedulerName,
  type VirtualServer,
  type VirtualServerKey,
} from './model.ts';
import { SCHEDULER_FLAGS } from './text.ts';

export interface LineProblem {
  readonly line: number;
  readonly message: string;
}

/** Reads what `ipvsadm -R` reads, and `--set` besides: a command a line, with the options of ipvsadm 1.31. */
export function parseCommands(text: string): Result<IpvsCommand[], readonly LineProblem[]> {
  const commands: IpvsCommand[] = [];
  const problems: LineProblem[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#')) continue;
    try {
      commands.push(new CommandReader(words).read());
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      problems.push({ line: i + 1, message: problem.message });
    }
  }
  return problems.length > 0 ? err(problems) : ok(commands);
}

class Refusal extends Error {}

const refuse = (message: string): never => {
  throw new Refusal(message);
};

const COMMANDS: Readonly<Record<string, IpvsCommand['type']>> = {
  '-A': 'addServer',
  '--add-service': 'addServer',
  '-E': 'editServer',
  '--edit-service': 'editServer',
  '-D': 'deleteServer',
  '--delete-service': 'deleteServer',
  '-a': 'addRealServer',
  '--add-server': 'addRealServer',
  '-e': 'editRealServer',
  '--edit-server': 'editRealServer',
  '-d': 'deleteRealServer',
  '--delete-server': 'deleteRealServer',
  '--set': 'setTimeouts',
};

const PROTOCOLS: Readonly<Record<string, IpvsProtocol>> = {
  '-t': 'tcp',
  '--tcp-service': 'tcp',
  '-u': 'udp',
  '--udp-service': 'udp',
  '--sctp-service': 'sctp',
};

const FORWARDING: Readonly<Record<string, RealServer['forwarding']>> = {
  '-m': 'masq',
  '--masquerading': 'masq',
  '-g': 'route',
  '--gatewaying': 'route',
  '-i': 'tunnel',
  '--ipip': 'tunnel',
};

/** ipvsadm.c, MAX_TIMEOUT (31 days), DEF_PERSISTENT_TIMEOUT and DEF_SCHED. */
const TIMEOUT_SECONDS_MAX = 2_678_400;
const PERSISTENCE_SECONDS = 360;
const SCHEDULER: SchedulerName = 'wlc';
const WEIGHT_MAX = 2_147_483_647;

class CommandReader {
  private readonly words: string[];
  private key: VirtualServerKey | undefined;
  private scheduler: SchedulerName = SCHEDULER;
  private flagNames: readonly string[] = [];
  private persistenceSeconds: number | undefined;
  private onePacket = false;
  private real: { readonly address: IpAddress; readonly port: number } | undefined;
  private forwarding: RealServer['forwarding'] = 'route';
  private weight = 1;

  constructor(words: readonly string[]) {
    this.words = [...words];
  }

  read(): IpvsCommand {
    const name = this.words.shift() as string;
    const type = COMMANDS[name] ?? refuse(`the command ${name} is not understood`);
    if (type === 'setTimeouts') return this.timeouts();
    while (this.words.length > 0) this.option(this.words.shift() as string);
    const server = this.key ?? refuse(`${name}: a virtual server is needed (-t, -u or --sctp-service)`);
    switch (type) {
      case 'deleteServer':
        return { type, server };
      case 'addServer':
      case 'editServer':
        return { type, server: this.settings(server) };
      case 'addRealServer':
      case 'editRealServer': {
        const real = this.realServer(name, server);
        return { type, server, real: { ...real, forwarding: this.forwarding, weight: this.weight } };
      }
      case 'deleteRealServer':
        return { type, server, ...this.realServer(name, server) };
    }
  }

  private option(option: string): void {
    const protocol = PROTOCOLS[option];
    const forwarding = FORWARDING[option];
    if (protocol !== undefined) {
      const { address, port } = this.endpoint('illegal virtual server address[:port] specified');
      this.key = { protocol, address, port };
    } else if (forwarding !== undefined) this.forwarding = forwarding;
    else if (option === '-s' || option === '--scheduler') {
      const name = this.word(option);
      this.scheduler = SCHEDULERS.find((s) => s === name) ?? refuse('Scheduler or persistence engine not found');
    } else if (option === '-p' || option === '--persistent') {
      const given = /^\d+$/.test(this.words[0] ?? '') ? (this.words.shift() as string) : String(PERSISTENCE_SECONDS);
      this.persistenceSeconds = seconds(given, 1);
    } else if (option === '-o' || option === '--ops') this.onePacket = true;
    else if (option === '-b' || option === '--sched-flags') this.flagNames = this.word(option).split(',');
    else if (option === '-r' || option === '--real-server') this.real = this.endpoint('illegal real server address[:port] specified');
    else if (option === '-w' || option === '--weight') {
      const weight = this.word(option);
      this.weight = /^\d+$/.test(weight) && Number(weight) <= WEIGHT_MAX ? Number(weight) : refuse('illegal weight specified');
    } else if (option === '--tun-type') this.word(option);
    else refuse(`the option ${option} is not modelled`);
  }

  private settings(key: VirtualServerKey): Omit<VirtualServer, 'realServers'> {
    if (key.port === 0 && this.persistenceSeconds === undefined) refuse('Zero port specified for non-persistent service');
    if (this.onePacket && key.protocol !== 'udp') refuse('One-Packet Scheduling is only for UDP virtual services');
    const schedulerFlags = [...new Set(this.flagNames.map((flag) => this.flag(flag)))].sort();
    const { scheduler, persistenceSeconds, onePacket } = this;
    return { ...key, scheduler, schedulerFlags, persistenceSeconds, onePacket };
  }

  private flag(name: string): 1 | 2 | 3 {
    const numbered = ['flag-1', 'flag-2', 'flag-3'].indexOf(name);
    const own = SCHEDULER_FLAGS[this.scheduler]?.indexOf(name) ?? -1;
    const index = numbered >= 0 ? numbered : own;
    if (index >= 0) return (index + 1) as 1 | 2 | 3;
    const known = Object.values(SCHEDULER_FLAGS).some((names) => names.includes(name));
    return refuse(`${known ? 'incompatible' : 'invalid'} scheduler flag \`${name}'`);
  }

  /** A real server without a port has its virtual server's, and so has every one whose packets are not rewritten. */
  private realServer(command: string, server: VirtualServerKey): { readonly address: IpAddress; readonly port: number } {
    const real = this.real ?? refuse(`${command}: a real server is needed (-r)`);
    const rewritten = this.forwarding === 'masq' || command === '-d' || command === '--delete-server';
    return real.port === 0 || !rewritten ? { address: real.address, port: server.port } : real;
  }

  private timeouts(): IpvsCommand {
    if (this.words.length !== 3) refuse('--set option requires 3 timeout values');
    const [tcp, tcpFin, udp] = this.words.map((word) => seconds(word, 0)) as [number, number, number];
    return { type: 'setTimeouts', timeouts: { tcp, tcpFin, udp } };
  }

  private endpoint(message: string): { readonly address: IpAddress; readonly port: number } {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(this.words.shift() ?? '');
    const address = match ? (match[1] === undefined ? parseIpv4(match[2] as string) : parseIpv6(match[1])) : undefined;
    const port = Number(match?.[3] ?? 0);
    return address === undefined || port > 65_535 ? refuse(message) : { address, port };
  }

  private word(option: string): string {
    return this.words.shift() ?? refuse(`${option} needs a value`);
  }
}

function seconds(text: string, min: number): number {
  const value = Number(text);
  return /^\d+$/.test(text) && value >= min && value <= TIMEOUT_SECONDS_MAX ? value : refuse(`invalid timeout value \`${text}' specified`);
}
