// The peers: nbdcopy and qemu-img as clients of nbdkit, over TLS with client certificates, tuned.

import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BackgroundProcess } from '../harness/background-process.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { runCommand } from '../harness/command.ts';
import { waitFor } from '../harness/condition.ts';
import { findFreePort } from '../harness/free-port.ts';
import { cpuSeconds, loopbackMebibytes } from './meter.ts';

export interface CopyMeasurement {
  readonly seconds: number;
  /** Of both ends together. */
  readonly cpuSeconds: number;
  readonly wireMebibytes: number;
}

export interface PeerRun {
  readonly source: string;
  readonly targetPath: string;
  readonly sizeBytes: number;
  readonly folder: string;
  readonly certificates: string;
  /** Of the whole bench: an interrupt does not come back to the caller. */
  readonly cleanup: Cleanup;
  /** A first copy may rely on an empty target; a later one has to overwrite. */
  readonly targetIsEmpty: boolean;
}

export type PeerName = 'nbdcopy' | 'qemu-img' | 'qemu-img compare';

function clientParameters(name: PeerName, run: PeerRun, port: number): readonly string[] {
  const credentials = `tls-creds-x509,id=tls,endpoint=client,dir=${run.certificates}`;
  const remote = `driver=nbd,server.type=inet,server.host=localhost,server.port=${port},tls-creds=tls`;
  const local = `driver=host_device,filename=${run.source}`;
  switch (name) {
    case 'nbdcopy':
      return [
        ...['nbdcopy', '-C1', '-R8', '--request-size=2097152', ...(run.targetIsEmpty ? ['--destination-is-zero'] : [])],
        ...[run.source, `nbds://localhost:${port}/?tls-certificates=${run.certificates}`],
      ];
    case 'qemu-img':
      return [
        ...['qemu-img', 'convert', '-n', '-W', '-m', '16', ...(run.targetIsEmpty ? ['--target-is-zero'] : [])],
        ...['--object', credentials, '--image-opts', local, '--target-image-opts', remote],
      ];
    case 'qemu-img compare':
      return ['qemu-img', 'compare', '--object', credentials, '--image-opts', local, remote];
  }
}

/** Starts a server of its own, runs the client under the shell's clock, and stops the server. */
export async function measurePeer(name: PeerName, run: PeerRun): Promise<CopyMeasurement> {
  if (run.targetIsEmpty) {
    writeFileSync(run.targetPath, '');
    truncateSync(run.targetPath, run.sizeBytes);
  }
  const port = await findFreePort();
  const server = new BackgroundProcess({
    program: 'nbdkit',
    parameters: [
      ...['--foreground', '--ipaddr', '127.0.0.1', '--port', String(port)],
      ...['--tls=require', `--tls-certificates=${run.certificates}`, '--tls-verify-peer'],
      ...['file', run.targetPath],
    ],
    logPath: join(run.folder, 'nbdkit.log'),
  });
  run.cleanup.add('end nbdkit', () => server.kill());
  try {
    const uri = `nbds://localhost:${port}/?tls-certificates=${run.certificates}`;
    await waitFor('nbdkit to listen', async () => (await runCommand('nbdinfo', ['--size', uri])).exitCode === 0);
    const serverCpuBefore = cpuSeconds(server.pid);
    const wireBefore = loopbackMebibytes();
    const { exitCode, stderr } = await runCommand('bash', [
      ...['-c', 'TIMEFORMAT="%R %U %S"; time "$@"', 'bash'],
      ...clientParameters(name, run, port),
    ]);
    const [, real, user, system] = /(\d+\.\d+) (\d+\.\d+) (\d+\.\d+)\s*$/.exec(stderr) ?? [];
    if (exitCode !== 0 || real === undefined) throw new Error(`${name}: ${stderr}`);
    return {
      seconds: Number(real),
      cpuSeconds: Number(user) + Number(system) + cpuSeconds(server.pid) - serverCpuBefore,
      wireMebibytes: loopbackMebibytes() - wireBefore,
    };
  } finally {
    await server.kill();
  }
}
