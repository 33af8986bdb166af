/**
 * The process that loses its power: the real store on a real folder, under the agent of the crash histories. Each line on
 * stdout is one thing that it asked for or that was acknowledged, written before anything after it can happen.
 *
 * Parameters: folder, form, life, seed; the oracle's state on stdin, `null` in the first life.
 */
import { readFileSync, writeSync } from 'node:fs';
import { FolderFileSystem, openStagingStore } from '@lms/replication-server/store';
import { CrashAgent, Violation, seeded } from '@lms/replication-server/store-test-support';
import type { OracleState } from '@lms/replication-server/store-test-support';
import { TORTURE_DISKS } from './disks.ts';
import { ReportingOracle } from './reporting-oracle.ts';

const VIOLATION_EXIT_CODE = 3;

function tell(line: unknown): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function live(folder: string, form: string, life: number, seed: number): Promise<never> {
  const oracle = new ReportingOracle(TORTURE_DISKS, (call, values) => tell({ call, values }));
  const state = JSON.parse(readFileSync(0, 'utf8')) as OracleState | null;
  if (state !== null) oracle.restore(state);
  const fileSystem = await FolderFileSystem.open(folder);
  const store = await openStagingStore({ fileSystem, floorBytes: 0 });
  if (store.form !== form) throw new Violation(`the store chose the form ${store.form}`);
  const agent = new CrashAgent(oracle, seeded(seed), life);
  await agent.connect(store);
  tell({ opened: true, points: store.points().length });
  await agent.resume(store);
  tell({ resumed: true });
  for (;;) await agent.act(store);
}

const [folder = '', form = '', life = '0', seed = '0'] = process.argv.slice(2);
try {
  await live(folder, form, Number(life), Number(seed));
} catch (thrown) {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  tell(thrown instanceof Violation ? { violation: message } : { ended: message });
  process.exitCode = thrown instanceof Violation ? VIOLATION_EXIT_CODE : 1;
}
