import { createServer } from 'node:net';

/** Ports above 4172 that browsers refuse to open (the "bad ports" of the Fetch standard). */
const BLOCKED = new Set([4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080]);

/** The first port from `first` on that nobody listens on and that browsers do not block. */
export async function freePort(first = 4173) {
  for (let port = first; port <= 65535; port++) {
    if (!BLOCKED.has(port) && (await isFree(port, '127.0.0.1')) && (await isFree(port, '::1'))) return port;
  }
  throw new Error(`no free port from ${first} on`);
}

/** @returns {Promise<boolean>} also true where the host has no such address, e.g. without IPv6 */
function isFree(/** @type {number} */ port, /** @type {string} */ host) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(!('code' in error) || error.code !== 'EADDRINUSE'));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
