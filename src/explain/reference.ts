/** Where the behaviour can be read: a kernel function or an RFC. */
export interface Reference {
  readonly label: string;
  readonly url: string;
}

/** The kernel that the lab models and the links point to. */
const KERNEL_VERSION = '6.12';

/** A function of the kernel, e.g. `kernel('net/ipv4/ip_forward.c', 'ip_forward')`. */
export function kernel(path: string, symbol: string): Reference {
  return {
    label: `${path} ${symbol}(), Linux ${KERNEL_VERSION}`,
    url: `https://elixir.bootlin.com/linux/v${KERNEL_VERSION}/source/${path}`,
  };
}

/** Kubernetes as the lab models it. */
const KUBERNETES_VERSION = '1.35';

/** A file of Kubernetes, e.g. `kubernetes('pkg/proxy/iptables/proxier.go')`. */
export function kubernetes(path: string): Reference {
  return {
    label: `${path}, Kubernetes ${KUBERNETES_VERSION}`,
    url: `https://github.com/kubernetes/kubernetes/blob/release-${KUBERNETES_VERSION}/${path}`,
  };
}

/** A section of an RFC, e.g. `rfc(9293, '3.5')`. */
export function rfc(number: number, section?: string): Reference {
  return {
    label: section === undefined ? `RFC ${number}` : `RFC ${number} section ${section}`,
    url: `https://www.rfc-editor.org/rfc/rfc${number}`,
  };
}
