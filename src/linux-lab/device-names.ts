/** Linux: IFNAMSIZ is 16, with the zero at the end. */
const NAME_LENGTH_MAX = 15;

/**
 * Names of devices as Linux takes them: those that are too long are cut and end in a digest of the whole. The
 * switch's ports are named after nodes, whose names may be long.
 */
export function linuxDeviceName(name: string): string {
  if (name.length <= NAME_LENGTH_MAX && /^[^/\s]+$/.test(name)) return name;
  return `${name.replace(/[^A-Za-z0-9-]/g, '').slice(0, 8)}-${digest(name).slice(0, 6)}`;
}

/** Eight hexadecimal digits, for names that must differ (FNV-1a). */
export function digest(text: string): string {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  return (Math.imul(h, 0x2c1b3c6d) >>> 0).toString(16).padStart(8, '0');
}
