// One end-to-end test: a folder, a manager, agents and disks of its own; everything put away, evidence kept on failure.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from '@jest/globals';
import { Agent } from '../harness/agent.ts';
import { Cleanup } from '../harness/cleanup.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import { Manager } from '../harness/manager.ts';

/** Ends a scenario that hangs; none takes a third of it on two cores. */
const LIMIT_MILLISECONDS = 300_000;

export class Scenario {
  readonly folder: string;
  readonly logFolder: string;
  readonly cleanup = new Cleanup();

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'lms-end-to-end-'));
    this.logFolder = join(this.folder, 'logs');
    mkdirSync(this.logFolder);
  }

  async manager(
    options: { dataFolder?: string; environment?: Readonly<Record<string, string>> } = {},
  ): Promise<Manager> {
    const manager = await Manager.create({
      dataFolder: options.dataFolder ?? join(this.folder, 'manager'),
      logFolder: this.logFolder,
      cleanup: this.cleanup,
      ...(options.environment === undefined ? {} : { environment: options.environment }),
    });
    await manager.start();
    return manager;
  }

  async disk(name: string, sizeMebibytes: number): Promise<LoopDisk> {
    return LoopDisk.create({
      folder: this.folder,
      name,
      sizeBytes: sizeMebibytes * 1024 * 1024,
      cleanup: this.cleanup,
    });
  }

  /** Enrolled and running. */
  async agent(
    manager: Manager,
    disks: readonly LoopDisk[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Agent> {
    return Agent.start({
      manager,
      name: 'source',
      disks: disks.map(({ device }) => device),
      stateFolder: join(this.folder, 'agent'),
      logFolder: this.logFolder,
      cleanup: this.cleanup,
      environment,
    });
  }

  /** Exports one disk of a point; returns the image's path. */
  async exportDisk(manager: Manager, sequence: number, device: string): Promise<string> {
    const point = (await manager.points('source')).find((candidate) => candidate.sequence === sequence);
    const disk = point?.disks.find((candidate) => candidate.device === device);
    if (disk === undefined) throw new Error(`point ${sequence} has no disk ${device}`);
    const path = join(this.folder, `point-${sequence}-${device.split('/').at(-1)}.raw`);
    await manager.exportDisk('source', sequence, disk.id, path);
    return path;
  }
}

export function scenario(name: string, run: (world: Scenario) => Promise<void>): void {
  test(
    name,
    async () => {
      const world = new Scenario();
      const problems: string[] = [];
      try {
        await run(world);
      } catch (error) {
        keepEvidence(name, world);
        throw error;
      } finally {
        problems.push(...(await world.cleanup.run()));
        rmSync(world.folder, { recursive: true, force: true });
      }
      if (problems.length > 0) throw new Error(`clean-up: ${problems.join('; ')}`);
    },
    LIMIT_MILLISECONDS,
  );
}

function keepEvidence(name: string, world: Scenario): void {
  const evidence = process.env['LMS_EVIDENCE'];
  if (evidence === undefined) return;
  const folder = join(evidence, name.replaceAll(/[^a-z0-9]+/gi, '-').slice(0, 80));
  mkdirSync(folder, { recursive: true });
  cpSync(world.logFolder, folder, { recursive: true });
}
