/** What the manager is told about the machine: facts for people now, for launches later. */
import { existsSync, readFileSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem } from 'node:os';
import type { Inventory } from '@lms/api';

export function readInventory(): Inventory {
  return {
    hostname: hostname(),
    operatingSystem: operatingSystem(),
    kernel: release(),
    architecture: arch(),
    processors: cpus().length,
    memoryBytes: totalmem(),
    firmware: existsSync('/sys/firmware/efi') ? 'uefi' : 'bios',
  };
}

function operatingSystem(): string | null {
  try {
    const line = /^PRETTY_NAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'));
    return line?.[1]?.replaceAll('"', '') ?? null;
  } catch {
    return null;
  }
}

/** The host's name as a machine's name; null where nothing of it can be used. */
export function machineNameOfHost(name: string = hostname()): string | null {
  const usable = name
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63);
  return usable === '' ? null : usable;
}
