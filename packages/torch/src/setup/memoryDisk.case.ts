// For tests only: a small disk in memory (tmpfs) that can really be full or read-only. It is mounted in a namespace of its own, which
// needs no rights where the kernel lets users make one (Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0), and
// reached from here through /proc. It ends with the process that holds it, which ends with this one.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { findOnPath } from './commands.js';

// Mounts, says so, makes the disk read-only at the first line of input, says so, and ends with its input.
const script = `
mount -t tmpfs -o "size=$2,nr_inodes=1000" tmpfs "$1" && echo mounted &&
read -r order && mount -o remount,bind,ro "$1" && echo read-only && exec cat`;

/** A mounted disk. Call `remove` at the end. */
export class MemoryDisk {
  readonly #holder: ChildProcessByStdio<Writable, Readable, null>;
  readonly #mountPoint = mkdtempSync(join(tmpdir(), 'halfway-memory-disk-'));

  private constructor(unshare: string, bytes: number) {
    const command = ['--map-root-user', '--mount', 'sh', '-c', script, 'sh', this.#mountPoint, String(bytes)];
    this.#holder = spawn(unshare, command, { stdio: ['pipe', 'pipe', 'ignore'] });
  }

  /** Mounts a disk of `bytes`; undefined where this user may not. */
  static async mount(bytes: number): Promise<MemoryDisk | undefined> {
    const unshare = findOnPath('unshare', process.env);
    if (unshare === undefined) return undefined;
    const disk = new MemoryDisk(unshare, bytes);
    const isMounted = await Promise.race([
      once(disk.#holder.stdout, 'data').then(() => true),
      once(disk.#holder, 'exit').then(() => false),
    ]);
    if (isMounted) return disk;
    disk.remove();
    return undefined;
  }

  /** The disk's root folder as this process sees it. */
  get folder(): string {
    return join('/proc', String(this.#holder.pid), 'root', this.#mountPoint);
  }

  /** Puts a file in the way that leaves `bytes` free, in place of an earlier one. Bytes are taken by pages of 4,096. */
  leaveFree(bytes: number): void {
    const filler = join(this.folder, 'filler');
    rmSync(filler, { force: true });
    const { bavail, bsize } = statfsSync(this.folder);
    writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
  }

  /** Nothing can be written from now on. */
  async makeReadOnly(): Promise<void> {
    this.#holder.stdin.write('\n');
    await once(this.#holder.stdout, 'data');
  }

  remove(): void {
    this.#holder.kill('SIGKILL');
    rmSync(this.#mountPoint, { recursive: true, force: true });
  }
}
