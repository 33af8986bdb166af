// A cluster whose nodes are not there: a real API server, the real controllers of StatefulSets, volumes and nodes, the
// real scheduler, and KWOK, which says of each pod what a kubelet would say. Volumes are made beforehand; what a
// provisioner and a kubelet take for a real one is not measured.

import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { CoreV1Api, StorageV1Api } from '@kubernetes/client-node';
import { BackgroundProcess } from '../harness/background-process.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { KubeApiServer } from '../harness/kube-api-server.ts';
import { kubeProgram } from '../harness/kube-programs.ts';
import { CONTROLLER_USER, NAMESPACE } from './controller-process.ts';
import { kwokStages } from './kwok-stages.ts';
import { machineIdOf } from './machines.ts';
import { inParallel } from './parallel.ts';

const STORAGE_CLASS = 'scale';
/** Fewer than the 110 of a usual node would be unlike it; more is what large nodes are set to. */
const PODS_PER_NODE = 110;
const CONTROLLERS = ['statefulset-controller', 'persistentvolume-binder-controller', 'node-lifecycle-controller'];
/** As clusters of thousands of pods have it. */
const CLIENT_LIMITS = ['--kube-api-qps=300', '--kube-api-burst=600'];

export async function startFakeCluster(cleanup: Cleanup): Promise<KubeApiServer> {
  const kwok = kwokProgram();
  const server = await KubeApiServer.start({ audited: [CONTROLLER_USER] });
  cleanup.add('stop the API server', () => server[Symbol.asyncDispose]());
  const folder = await mkdtemp(join(tmpdir(), 'lms-scale-'));
  cleanup.add('remove the folder', () => rm(folder, { recursive: true, force: true }));
  const kubeconfig = join(folder, 'kubeconfig.json');
  await writeFile(kubeconfig, server.adminKubeconfig(), { mode: 0o600 });
  const admin = server.adminConfig();
  await admin.makeApiClient(CoreV1Api).createNamespace({ body: { metadata: { name: NAMESPACE } } });
  await admin.makeApiClient(StorageV1Api).createStorageClass({
    body: {
      metadata: { name: STORAGE_CLASS, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'kubernetes.io/no-provisioner',
    },
  });
  const run = (program: string, parameters: readonly string[]): void => {
    const logPath = join(folder, `${program.split('/').at(-1)}.log`);
    const running = new BackgroundProcess({
      program,
      parameters: [`--kubeconfig=${kubeconfig}`, ...parameters],
      logPath,
    });
    cleanup.add(`end ${program}`, () => running.kill());
  };
  const alone = ['--leader-elect=false', '--secure-port=0', ...CLIENT_LIMITS];
  run(kubeProgram('kube-controller-manager'), [...alone, `--controllers=${CONTROLLERS.join(',')}`]);
  run(kubeProgram('kube-scheduler'), alone);
  const stages = join(folder, 'stages.yaml');
  await writeFile(stages, kwokStages());
  run(kwok, [
    `--config=${stages}`,
    '--manage-all-nodes',
    '--cidr=10.0.0.0/8',
    '--node-lease-duration-seconds=40',
    '-v=ERROR',
  ]);
  return server;
}

/** Nodes and volumes for so many machines. */
export async function makeRoom(server: KubeApiServer, machines: number): Promise<void> {
  const core = server.adminConfig().makeApiClient(CoreV1Api);
  await inParallel(Math.ceil(machines / PODS_PER_NODE) + 1, (index) => {
    const room = { cpu: '64', memory: '512Gi', pods: String(PODS_PER_NODE) };
    const name = `node-${index}`;
    const labels = { 'kubernetes.io/hostname': name };
    return core.createNode({ body: { metadata: { name, labels }, status: { capacity: room, allocatable: room } } });
  });
  await inParallel(machines, (index) => {
    const name = `lms-rs-${machineIdOf(index)}`;
    return core.createPersistentVolume({
      body: {
        metadata: { name },
        spec: {
          storageClassName: STORAGE_CLASS,
          accessModes: ['ReadWriteOnce'],
          capacity: { storage: '1Ti' },
          claimRef: { namespace: NAMESPACE, name },
          hostPath: { path: '/nowhere' },
          persistentVolumeReclaimPolicy: 'Retain',
        },
      },
    });
  });
}

/** `$LMS_KWOK`, or where `go install sigs.k8s.io/kwok/cmd/kwok@v0.8.0` puts it. */
function kwokProgram(): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(homedir(), 'go/bin')];
  const programs = [process.env['LMS_KWOK'], ...folders.map((folder) => join(folder, 'kwok'))];
  const found = programs.find((program) => program !== undefined && program !== '' && existsSync(program));
  if (found !== undefined) return found;
  throw new Error('there is no kwok: go install sigs.k8s.io/kwok/cmd/kwok@v0.8.0, or name one in LMS_KWOK');
}
