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

/** A scenario's script on this machine, built and taken down. */
export class Machine {
  private readonly folder: string;
  private readonly script: string;

  constructor(script: string) {
    this.folder = mkdtempSync(join(tmpdir(), 'hoplab-comparison-'));
    this.script = join(this.folder, 'lab.sh');
    writeFileSync(this.script, script, { mode: 0o700 });
  }

  async up(): Promise<void> {
    await this.run('up');
  }

  async down(): Promise<void> {
    await this.run('down');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs one command in a namespace. */
  inNamespace(namespace: string, ...command: string[]): Promise<string> {
    return this.run('shell', namespace, ...command);
  }

  /** Forgets neighbours and learned stations everywhere, so that the next probe begins as in a cluster that has just started. */
  async forget(): Promise<void> {
    await this.run('forget');
  }

  async capture(from: string, to: string, options: readonly string[]): Promise<KernelCapture> {
    return JSON.parse(await this.run('capture', from, to, '--json', ...options)) as KernelCapture;
  }

  private run(...args: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn('bash', [this.script, ...args], {
        env: { ...process.env, TMPDIR: this.folder },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let out = '';
      let said = '';
      child.stdout.on('data', (chunk) => {
        out += chunk;
      });
      child.stderr.on('data', (chunk) => {
        said += chunk;
      });
      child.on('error', reject);
      child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`${args.join(' ')} exited with ${code}: ${said}`))));
    });
  }
}
