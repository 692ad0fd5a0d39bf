import { err, ok, type Result } from '../../../base/result.ts';
import { SCHEDULERS, type SchedulerName } from '../../ipvs/model.ts';
import { parseDurationNs } from '../go-duration.ts';
import type { IpvsConfig } from '../model.ts';

/** KubeProxyConfiguration's section `ipvs`, in its own words. */
export interface IpvsSettings {
  readonly scheduler: string;
  readonly strictArp: boolean;
  readonly excludeCidrs: readonly string[];
  /** Durations as Go writes them; absent ones and zero leave the kernel's. */
  readonly timeouts: { readonly tcp: string | undefined; readonly tcpFin: string | undefined; readonly udp: string | undefined };
}

/** What the proxier is told. With a scheduler that the kernel does not have kube-proxy does not start (CanUseIPVSProxier). */
export function ipvsConfig({ scheduler, strictArp, excludeCidrs, timeouts }: IpvsSettings): Result<IpvsConfig, string> {
  const name = scheduler === '' ? 'rr' : scheduler;
  if (!isScheduler(name)) return err(`ipvs.scheduler: there is no scheduler "${name}"; there are ${SCHEDULERS.join(', ')}`);
  const tcp = seconds(timeouts.tcp);
  const tcpFin = seconds(timeouts.tcpFin);
  const udp = seconds(timeouts.udp);
  if (tcp === undefined || tcpFin === undefined || udp === undefined) return err('ipvs: timeouts are durations such as 15m0s');
  return ok({ scheduler: name, strictArp, excludeCidrs, timeouts: { tcp, tcpFin, udp } });
}

const isScheduler = (name: string): name is SchedulerName => (SCHEDULERS as readonly string[]).includes(name);

/** The kernel takes whole seconds; libipvs drops the rest. */
function seconds(duration: string | undefined): number | undefined {
  const ns = parseDurationNs(duration ?? '0');
  return ns === undefined ? undefined : Math.floor(ns / 1e9);
}
