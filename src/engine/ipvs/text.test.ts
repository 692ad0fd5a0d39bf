import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIp, type Ipv4, parseIpv4 } from '../../protocol/address.ts';
import type { IpvsConnectionView } from '../../protocol/event.ts';
import ipvsadm from './fixtures/ipvsadm.json' with { type: 'json' };
import { type IpvsCommand, type RealServer, SCHEDULERS, type VirtualServer } from './model.ts';
import { parseCommands } from './parse.ts';
import { connectionsText, listText, saveText, timeoutsText } from './text.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

const parsed = (text: string): IpvsCommand[] => {
  const commands = parseCommands(text);
  if (!commands.ok) throw new Error(JSON.stringify(commands.error));
  return commands.value;
};

/** The servers that a text of additions only describes. */
function serversOf(text: string): VirtualServer[] {
  const servers: (VirtualServer & { realServers: RealServer[] })[] = [];
  for (const command of parsed(text)) {
    if (command.type === 'addServer') servers.push({ ...command.server, realServers: [] });
    else if (command.type === 'addRealServer') {
      const { protocol, address, port } = command.server;
      servers.find((s) => s.protocol === protocol && s.address === address && s.port === port)?.realServers.push(command.real);
    } else throw new Error(command.type);
  }
  return servers;
}

const refused = (line: string): string => {
  const commands = parseCommands(line);
  return commands.ok ? 'accepted' : commands.error.map(({ message }) => message).join('\n');
};

describe('what ipvsadm 1.31 printed', () => {
  const servers = serversOf(ipvsadm.restore.join('\n'));

  it('-Sn', () => {
    expect(saveText(servers).split('\n').slice(0, -1)).toEqual(ipvsadm.save);
  });

  it('-Ln', () => {
    const text = listText(servers, () => ({ active: 0, inactive: 0 }));
    expect(text.split('\n').slice(0, -1)).toEqual(ipvsadm.list);
  });

  it('-Lnc', () => {
    const connections = ipvsadm.connections.map((line, id): IpvsConnectionView => {
      const [protocol, expires, state, ...ends] = line.split(/\s+/) as [string, string, string, string, string, string];
      const [minutes, seconds] = expires.split(':').map(Number) as [number, number];
      const [client, virtual, real] = ends.map((end) => {
        const [address, port] = end.split(':') as [string, string];
        return { address: ip(address), port: Number(port) };
      }) as [IpvsConnectionView['client'], IpvsConnectionView['client'], IpvsConnectionView['client']];
      const template = client.port === 0;
      const expiresNs = (minutes * 60 + seconds) * 1_000_000_000;
      return { id, protocol: protocol.toLowerCase() as 'tcp', client, virtual, real, state, template, active: false, expiresNs };
    });
    expect(connectionsText(connections, 0).split('\n').slice(2, -1)).toEqual(ipvsadm.connections);
  });

  it('-L --timeout', () => {
    expect(timeoutsText({ tcp: 1, tcpFin: 2, udp: 3 })).toBe('Timeout (tcp tcpfin udp): 1 2 3\n');
  });
});

describe('reading commands', () => {
  it('takes long options as well', () => {
    const short = parsed('-A -t 10.96.0.1:80 -s sh -b sh-port -p 60\n-a -t 10.96.0.1:80 -r 10.244.1.5:8080 -m -w 7');
    const long = parsed(
      '--add-service --tcp-service 10.96.0.1:80 --scheduler sh --sched-flags sh-port --persistent 60\n' +
        '--add-server --tcp-service 10.96.0.1:80 --real-server 10.244.1.5:8080 --masquerading --weight 7',
    );
    expect(long).toEqual(short);
  });

  it('reads every command', () => {
    const types = parsed(
      [
        '-E -u 10.96.0.1:53 -s wrr',
        '-D -u 10.96.0.1:53',
        '-e -u 10.96.0.1:53 -r 10.244.1.5 -m -w 0',
        '-d -u 10.96.0.1:53 -r 10.244.1.5:53',
        '# nothing',
        '',
        '--set 900 120 300',
      ].join('\n'),
    );
    expect(types.map(({ type }) => type)).toEqual(['editServer', 'deleteServer', 'editRealServer', 'deleteRealServer', 'setTimeouts']);
    expect(types[2]).toMatchObject({ real: { port: 53, weight: 0 } });
  });

  it('says of IPv6 what ipvsadm says', () => {
    expect(saveText(serversOf('-A -t [fd00::1]:80 -s rr\n-a -t [fd00::1]:80 -r [fd00::5]:8080 -m'))).toBe(
      '-A -t [fd00::1]:80 -s rr\n-a -t [fd00::1]:80 -r [fd00::5]:8080 -m -w 1\n',
    );
  });

  it.each([
    ['-a -t 10.96.0.1:80 -r 10.2.0.11:81 -m -w -1', 'illegal weight specified'],
    ['-A -t 10.96.0.77:0 -s rr', 'Zero port specified for non-persistent service'],
    ['-A -t 10.96.0.79 -s rr', 'Zero port specified for non-persistent service'],
    ['-A -t 10.96.0.78:70000 -s rr', 'illegal virtual server address[:port] specified'],
    ['-A -t 10.96.0.79:80 -s rr -o', 'One-Packet Scheduling is only for UDP virtual services'],
    ['-A -t 10.96.0.79:80 -p 0', "invalid timeout value `0' specified"],
    ['-A -t 10.96.0.80:80 -p 2678400', 'accepted'],
    ['-A -t 10.96.0.81:80 -p 2678401', "invalid timeout value `2678401' specified"],
    ['--set 0 0 0', 'accepted'],
    ['--set 2678401 0 0', "invalid timeout value `2678401' specified"],
    ['--set 1 2', '--set option requires 3 timeout values'],
    ['-A -t 10.96.0.82:80 -s rr -b sh-port', "incompatible scheduler flag `sh-port'"],
    ['-A -t 10.96.0.83:80 -s rr -b nope', "invalid scheduler flag `nope'"],
    ['-A -t 10.96.0.99:80 -s nope', 'Scheduler or persistence engine not found'],
    ['-A -s rr', '-A: a virtual server is needed (-t, -u or --sctp-service)'],
    ['-a -t 10.96.0.1:80', '-a: a real server is needed (-r)'],
    ['-A -t 10.96.0.1:80 -M 255.255.255.0', 'the option -M is not modelled'],
    ['-Z', 'the command -Z is not understood'],
  ])('%s: %s', (line, answer) => {
    expect(refused(line)).toBe(answer);
  });

  it('names the lines that it refuses', () => {
    const commands = parseCommands('-A -t 10.96.0.1:80\n-x\n-A -t 10.96.0.2:80\n-y');
    expect(commands.ok ? [] : commands.error.map(({ line }) => line)).toEqual([2, 4]);
  });

  it('reads what it prints', () => {
    const address = fc.nat(0xffffffff).map((n) => n as Ipv4);
    const port = fc.integer({ min: 1, max: 65_535 });
    const real = fc.record({ address, port, forwarding: fc.constant('masq' as const), weight: fc.nat(70_000) });
    const server = fc.record({
      protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
      address,
      port,
      scheduler: fc.constantFrom(...SCHEDULERS),
      schedulerFlags: fc.subarray([1, 2] as (1 | 2)[]),
      persistenceSeconds: fc.option(fc.integer({ min: 1, max: 2_678_400 }), { nil: undefined }),
      onePacket: fc.constant(false),
      realServers: fc.uniqueArray(real, { selector: (r) => `${formatIp(r.address)} ${r.port}`, maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(server, { selector: (s) => `${s.protocol} ${s.address} ${s.port}`, maxLength: 6 }), (servers) => {
        const text = saveText(servers);
        expect(saveText(serversOf(text))).toBe(text);
        expect(new Set(serversOf(text).map((s) => JSON.stringify({ ...s, realServers: [] })))).toEqual(
          new Set(servers.map((s) => JSON.stringify({ ...s, realServers: [] }))),
        );
      }),
    );
  });
});
