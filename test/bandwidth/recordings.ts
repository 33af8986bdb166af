// Which programs write traces. Those that fit constants and those that test them are different programs with different habits.

import { join } from 'node:path';
import type { Cleanup } from '../harness/cleanup.ts';
import { requireCommand, runCommand } from '../harness/command.ts';

/** Writes for so long. */
type Running = (seconds: number) => Promise<void>;

interface Recording {
  readonly seconds: number;
  readonly use: 'fit' | 'test';
  /** Everything that is not to be recorded. */
  readonly prepare: (mount: string, cleanup: Cleanup) => Promise<Running>;
}

export const RECORDINGS: Readonly<Record<string, Recording>> = {
  'fio-uniform': { seconds: 40, use: 'fit', prepare: fio('--rw=randwrite', '--bs=4k', '--rate_iops=14', '--size=64m') },
  'fio-log': { seconds: 40, use: 'fit', prepare: fio('--rw=write', '--bs=32k', '--rate_iops=24', '--size=160m') },
  'pgbench-updates': { seconds: 40, use: 'fit', prepare: pgbench({ scale: 3, rate: 12, mode: 'simple-update' }) },
  'fio-zipf': {
    seconds: 40,
    use: 'test',
    prepare: fio('--rw=randwrite', '--bs=8k', '--rate_iops=30', '--size=96m', '--random_distribution=zipf:0.9'),
  },
  'pgbench-tpcb': { seconds: 40, use: 'test', prepare: pgbench({ scale: 5, rate: 10, mode: 'tpcb-like' }) },
};

function fio(...options: readonly string[]): Recording['prepare'] {
  return async (mount) => {
    const shared = [
      '--name=recorded',
      `--directory=${mount}`,
      '--direct=1',
      '--ioengine=psync',
      '--thread',
      ...options,
    ];
    await requireCommand('fio', [...shared.filter((option) => !option.startsWith('--rate')), '--rw=write', '--bs=1m']);
    return async (seconds) => {
      await requireCommand('fio', [...shared, '--time_based', `--runtime=${seconds}`, '--randrepeat=1']);
    };
  };
}

interface PgbenchOptions {
  readonly scale: number;
  /** Transactions a second. */
  readonly rate: number;
  readonly mode: 'tpcb-like' | 'simple-update';
}

/** A buffer far smaller than the tables, so that pages are written while it runs, and checkpoints every few seconds. */
const POSTGRESQL_OPTIONS =
  '-c shared_buffers=1MB -c listen_addresses= -c max_wal_size=32MB -c min_wal_size=32MB -c autovacuum=off -c bgwriter_flush_after=64kB';
const CHECKPOINT_SECONDS = 5;

function pgbench({ scale, rate, mode }: PgbenchOptions): Recording['prepare'] {
  return async (mount, cleanup) => {
    const programs = (await requireCommand('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin | tail -1'])).trim();
    const data = join(mount, 'data');
    const as = (program: string, ...parameters: string[]): Promise<string> =>
      requireCommand('runuser', ['-u', 'postgres', '--', join(programs, program), ...parameters], { folder: '/' });
    await requireCommand('chmod', ['755', join(mount, '..')]);
    await requireCommand('install', ['--directory', '--owner=postgres', '--mode=700', data]);
    cleanup.add('stop PostgreSQL', async () => {
      await runCommand('runuser', [
        '-u',
        'postgres',
        '--',
        join(programs, 'pg_ctl'),
        'stop',
        '-D',
        data,
        '-m',
        'immediate',
      ]);
    });
    await as('initdb', '--pgdata', data, '--auth', 'trust', '--no-sync');
    await as('pg_ctl', 'start', '-w', '-D', data, '-l', join(data, 'log'), '-o', `${POSTGRESQL_OPTIONS} -k ${data}`);
    await as('pgbench', '-h', data, '-i', '-q', '-s', String(scale), 'postgres');
    return async (seconds) => {
      const load = as(
        'pgbench',
        '-h',
        data,
        '-b',
        mode,
        '-n',
        '-c',
        '2',
        '-R',
        String(rate),
        '-T',
        String(seconds),
        'postgres',
      );
      const checkpoints = as(
        'psql',
        '-h',
        data,
        '-c',
        'CHECKPOINT',
        '-c',
        `\\watch interval=${CHECKPOINT_SECONDS} count=${Math.floor(seconds / CHECKPOINT_SECONDS)}`,
        'postgres',
      ).catch(() => '');
      await load;
      await checkpoints;
    };
  };
}
