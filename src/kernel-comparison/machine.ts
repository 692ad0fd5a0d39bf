import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A frame at a device, as `capture` of the script prints it. */
export interface KernelHop {
  readonly t: number;
  readonly ns: string;
  readonly if: string;
  readonly dir: 'in' | 'out';
  readonly pkt: string;
  readonly mac?: string;
  readonly ttl?: number;
  readonly ipid?: number;
  readonly len?: number;
  readonly df?: boolean;
  readonly otherhost?: boolean;
}

export interface KernelCapture {
  /** `connected 10.96.0.20:80`: the kind first. */
  readonly outcome: string;
  readonly hops: readonly KernelHop[];
}

/** What one command of a scenario's script printed; `code` is its exit status. */
export interface Printed {
  readonly out: string;
  readonly said: string;
  readonly code: number;
}

/** A scenario's script, and the commands that it is given, one after the other, between `up` and `down`. */
export interface Job {
  readonly script: string;
  readonly commands: readonly (readonly string[])[];
}

/** Carries out a job on this machine's kernel; what it built is taken down whatever happens. */
export async function runHere({ script, commands }: Job): Promise<Printed[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hoplab-comparison-'));
  const file = join(folder, 'lab.sh');
  writeFileSync(file, script, { mode: 0o700 });
  try {
    const up = await run(file, folder, ['up']);
    if (up.code !== 0) throw new Error(`up exited with ${up.code}: ${up.said}`);
    const printed: Printed[] = [];
    for (const command of commands) printed.push(await run(file, folder, command));
    return printed;
  } finally {
    await run(file, folder, ['down']);
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(script: string, folder: string, args: readonly string[]): Promise<Printed> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', [script, ...args], { env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let said = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ out, said, code: code ?? 1 }));
  });
}
