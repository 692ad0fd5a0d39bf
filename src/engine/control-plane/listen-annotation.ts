import { err, ok, type Result } from '../../base/result.ts';
import { parseIpv4, parseIpv6 } from '../../protocol/address.ts';
import type { ListenPlan } from './plan.ts';

/**
 * The annotation `hoplab.dev/listen` of a pod or pod template says where its containers listen, for
 * images that the lab does not know, or for a program that binds another address:
 *
 *     hoplab.dev/listen: "web=8080/tcp,127.0.0.1:9090; sidecar=5353/udp; logs=none"
 *
 *     value  = entry *( ";" entry )
 *     entry  = [ container "=" ] ( "none" | socket *( "," socket ) )
 *     socket = [ IPv4-address ":" ] port [ "/tcp" | "/udp" ]          tcp when not said
 *
 * The container's name may be left out in a pod with one container. A container that is named here
 * listens exactly there, whatever its `ports` say; one that is not keeps its ports. Spaces are free.
 * The lab's other annotations of pods, about their readiness, are in readiness.ts.
 */
export const LISTEN_ANNOTATION = 'hoplab.dev/listen';

/** By container name. The error says at which character and what was expected. */
export function parseListenAnnotation(
  text: string,
  containerNames: readonly string[],
): Result<ReadonlyMap<string, readonly ListenPlan[]>, string> {
  const result = new Map<string, readonly ListenPlan[]>();
  let offset = 0;
  for (const entry of text.split(';')) {
    const at = offset;
    offset += entry.length + 1;
    if (entry.trim() === '') continue;
    const equals = entry.indexOf('=');
    const name = equals < 0 ? undefined : entry.slice(0, equals).trim();
    if (name === undefined && containerNames.length !== 1) {
      return wrong(
        text,
        at,
        entry,
        `"CONTAINER=" first, since this pod has ${containerNames.length} containers (${containerNames.join(', ')})`,
      );
    }
    const container = name ?? (containerNames[0] as string);
    if (!containerNames.includes(container)) return wrong(text, at, entry, `the name of a container (${containerNames.join(', ')})`);
    if (result.has(container)) return wrong(text, at, entry, `each container once ("${container}" is there twice)`);
    const listens = parseSockets(text, at + equals + 1, entry.slice(equals + 1));
    if (!listens.ok) return listens;
    result.set(container, listens.value);
  }
  if (result.size === 0) return err('expected entries such as "web=8080/tcp", got nothing');
  return ok(result);
}

function parseSockets(text: string, start: number, list: string): Result<readonly ListenPlan[], string> {
  if (list.trim() === 'none') return ok([]);
  const listens: ListenPlan[] = [];
  let at = start;
  for (const part of list.split(',')) {
    const match = /^(?:(.*):)?([^:/]*)(?:\/([a-z]*))?$/i.exec(part.trim());
    const addressText = match?.[1];
    const address = addressText === undefined ? undefined : parseIpv4(addressText);
    if (addressText !== undefined && address === undefined) {
      const v6 = parseIpv6(addressText.replace(/^\[(.*)\]$/, '$1')) !== undefined;
      return wrong(text, at, part, v6 ? 'an IPv4 address (IPv6 is not modelled yet)' : 'an IPv4 address before the colon');
    }
    const port = /^\d{1,5}$/.test(match?.[2] ?? '') ? Number(match?.[2]) : 0;
    if (port < 1 || port > 65535) return wrong(text, at, part, 'a port from 1 to 65535, such as "8080/tcp"');
    const protocol = (match?.[3] ?? 'tcp').toLowerCase();
    if (protocol !== 'tcp' && protocol !== 'udp') return wrong(text, at, part, '"/tcp" or "/udp"');
    listens.push({ protocol, port, address: address === 0 ? undefined : address, name: undefined });
    at += part.length + 1;
  }
  return ok(listens);
}

function wrong(text: string, start: number, part: string, expected: string): Result<never, string> {
  const skipped = part.length - part.trimStart().length;
  const got = part.trim();
  const character = Math.min(start + skipped, text.length) + 1;
  return err(`at character ${character}: expected ${expected}, got ${got === '' ? 'nothing' : JSON.stringify(got.slice(0, 60))}`);
}
