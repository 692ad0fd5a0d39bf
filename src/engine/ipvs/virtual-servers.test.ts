import { describe, expect, it } from 'vitest';
import { type Ipv4, parseIpv4, parseIpv6 } from '../../protocol/address.ts';
import { parseCommands } from './parse.ts';
import { saveText } from './text.ts';
import { type ServerCommand, VirtualServers } from './virtual-servers.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const SECOND = 1_000_000_000;

/** Carries out commands as ipvsadm would, and gives what each is answered. */
function apply(servers: VirtualServers, text: string, nowNs = 0): string[] {
  const commands = parseCommands(text);
  if (!commands.ok) throw new Error(JSON.stringify(commands.error));
  return commands.value.map((command) => {
    const applied = servers.apply(command as ServerCommand, nowNs);
    return applied.ok ? applied.value : `${applied.error.errno}: ${applied.error.message}`;
  });
}

function loaded(): VirtualServers {
  const servers = new VirtualServers();
  apply(servers, '-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.2.0.11:8080 -m\n-a -t 10.96.0.1:80 -r 10.2.0.12:8080 -m -w 2');
  return servers;
}

describe('the table of virtual servers', () => {
  it('refuses with the errors of the kernel, in the words of ipvsadm', () => {
    const servers = loaded();
    expect(
      apply(
        servers,
        [
          '-A -t 10.96.0.1:80 -s rr',
          '-E -t 10.96.0.99:80 -s rr',
          '-D -t 10.96.0.99:80',
          '-a -t 10.96.0.99:80 -r 10.2.0.11:80 -m',
          '-a -t 10.96.0.1:80 -r 10.2.0.11:8080 -m',
          '-e -t 10.96.0.99:80 -r 10.2.0.11:80 -m',
          '-e -t 10.96.0.1:80 -r 10.2.0.11:81 -m',
          '-d -t 10.96.0.99:80 -r 10.2.0.11:80',
          '-d -t 10.96.0.1:80 -r 10.2.0.11:81',
        ].join('\n'),
      ),
    ).toEqual([
      'EEXIST: Service already exists',
      'ESRCH: No such service',
      'ESRCH: No such service',
      'ESRCH: Service not defined',
      'EEXIST: Destination already exists',
      'ESRCH: Service not defined',
      'ENOENT: No such destination',
      'ESRCH: Service not defined',
      'ENOENT: No such destination',
    ]);
  });

  it('refuses by name what is not modelled', () => {
    const servers = loaded();
    expect(apply(servers, '-a -t 10.96.0.1:80 -r 10.2.0.13:80 -g\n-a -t 10.96.0.1:80 -r 10.2.0.13:80 -i\n-A -t 10.96.0.2:0 -p 60')).toEqual(
      [
        'EOPNOTSUPP: forwarding by route is not modelled, only masquerading (-m)',
        'EOPNOTSUPP: forwarding by tunnel is not modelled, only masquerading (-m)',
        'EOPNOTSUPP: a virtual server for every port (port 0) is not modelled',
      ],
    );
  });

  it('tells protocols, addresses and ports apart', () => {
    const servers = new VirtualServers();
    expect(
      apply(
        servers,
        '-A -t 10.96.0.1:80\n-A -u 10.96.0.1:80\n-A --sctp-service 10.96.0.1:80\n-A -t 10.96.0.1:81\n-A -t 10.96.0.2:80\n-A -t [fd00::1]:80',
      ),
    ).toEqual(Array.from({ length: 6 }, () => 'changed'));
    expect(servers.size).toBe(6);
    expect(servers.find('udp', ip('10.96.0.1'), 80)?.settings.protocol).toBe('udp');
    expect(servers.find('tcp', parseIpv6('fd00::1') as never, 80)).toBeDefined();
    expect(servers.find('udp', ip('10.96.0.2'), 80)).toBeUndefined();
  });

  it('lists what it was told, real servers in the order in which they were added', () => {
    const servers = loaded();
    expect(servers.list()[0]?.realServers.map(({ weight }) => weight)).toEqual([1, 2]);
    expect(saveText(servers.list())).toBe(
      '-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.2.0.11:8080 -m -w 1\n-a -t 10.96.0.1:80 -r 10.2.0.12:8080 -m -w 2\n',
    );
  });

  it('views show the kernel’s order, the newest first, and no more than asked for', () => {
    const servers = loaded();
    apply(servers, '-A -t 10.96.0.2:80 -s sh -b sh-port');
    expect(servers.views(1)).toHaveLength(1);
    const [first, second] = servers.views(9);
    expect(first?.realServers.map(({ weight }) => weight)).toEqual([2, 1]);
    expect(second?.schedulerFlags).toEqual(['sh-port']);
  });

  it('editing changes scheduler, flags and persistence, and keeps the real servers', () => {
    const servers = loaded();
    apply(servers, '-E -t 10.96.0.1:80 -s sh -b sh-port -p 60');
    expect(saveText(servers.list()).split('\n')[0]).toBe('-A -t 10.96.0.1:80 -s sh -p 60 -b sh-port');
    expect(servers.list()[0]?.realServers).toHaveLength(2);
  });

  it('editing anything but the scheduler does not disturb its turns', () => {
    const servers = loaded();
    const service = servers.find('tcp', ip('10.96.0.1'), 80);
    const packet = { source: ip('10.1.0.1'), sourcePort: 1, nowNs: 0 };
    expect(service?.choose(packet)?.address).toBe(ip('10.2.0.12'));
    apply(servers, '-E -t 10.96.0.1:80 -s rr -p 60');
    expect(service?.choose(packet)?.address).toBe(ip('10.2.0.11'));
  });

  describe('a real server that was removed and is added again', () => {
    const at = (servers: VirtualServers) => servers.find('tcp', ip('10.96.0.1'), 80)?.find(ip('10.2.0.11'), 8080);
    const remove = '-d -t 10.96.0.1:80 -r 10.2.0.11:8080';
    const addAgain = '-a -t 10.96.0.1:80 -r 10.2.0.11:8080 -m -w 7';

    it('comes back with its connections', () => {
      const servers = loaded();
      const destination = at(servers);
      if (destination) destination.active = 1;
      expect(apply(servers, remove)).toEqual(['serverRemoved']);
      expect(destination?.available).toBe(false);
      apply(servers, addAgain, 500 * SECOND);
      expect(at(servers)).toBe(destination);
      expect([destination?.available, destination?.weight, destination?.lastWeight]).toEqual([true, 7, 7]);
    });

    it('also when its whole virtual server was away', () => {
      const servers = loaded();
      const destination = at(servers);
      if (destination) destination.inactive = 3;
      expect(apply(servers, '-D -t 10.96.0.1:80')).toEqual(['serverRemoved']);
      apply(servers, `-A -t 10.96.0.1:80 -s wrr\n${addAgain}`, 500 * SECOND);
      expect(at(servers)).toBe(destination);
    });

    it('without connections is remembered for two minutes', () => {
      const servers = loaded();
      const destination = at(servers);
      apply(servers, remove);
      apply(servers, addAgain, 119 * SECOND);
      expect(at(servers)).toBe(destination);
      apply(servers, remove, 200 * SECOND);
      apply(servers, addAgain, 321 * SECOND);
      expect(at(servers)).not.toBe(destination);
    });
  });
});
