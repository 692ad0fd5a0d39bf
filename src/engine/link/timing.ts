/**
 * How long things take in virtual time. Real figures vary with the machine; these keep the order and
 * the proportions of a small cluster (a veth crossing is a softirq, a cable is light and a NIC), and
 * what happens inside one namespace takes no time of its own.
 */
export const VETH_DELAY_NS = 2_000;
export const LOOPBACK_DELAY_NS = 2_000;
export const CABLE_DELAY_NS = 20_000;
